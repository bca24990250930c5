//! Reads a pickle as data: classes and calls are kept by name and never carried out.
//!
//! `pytorch-reader` returns the tensors of a checkpoint only. This reader also keeps what a whole
//! model says about its modules, their order and attributes, and arrays of NumPy. Values lie in one
//! vector and refer to each other by index, so a value that is used often takes no more memory, and
//! deep nesting needs no recursion. Each opcode makes at most one value: memory is bounded by the
//! length of the pickle. Opcodes: Python's `pickletools`.

mod machine;

use std::borrow::Cow;
use std::io::BufRead;

/// The index of a value.
pub(super) type Id = usize;

/// A value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// None, and values without use here.
    Nothing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A list, tuple or set.
    Sequence(Vec<Id>),
    /// A dictionary, in the order of insertion.
    Dict(Vec<(Id, Id)>),
    /// A class or function: `collections.OrderedDict`.
    Class(String),
    /// A call, or an object made from a class, with the state that was set afterwards.
    Call {
        callable: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// A reference to something outside the pickle.
    Persistent(Id),
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    /// The value of the whole pickle.
    pub root: Id,
    /// Number of bytes of the pickle.
    pub length: u64,
    /// The offset of each opcode that makes a persistent reference, and the reference.
    pub references: Vec<(u64, Id)>,
}

impl Pickle {
    /// Reads one pickle; `None` if it is invalid or has opcodes that are not known.
    pub fn read(pickle: &mut impl BufRead) -> Option<Pickle> {
        machine::read(pickle)
    }

    /// The value of an index.
    pub fn value(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::Nothing)
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes, also as Python 3 writes them in protocol 2: `_codecs.encode(text, 'latin1')`.
    pub fn bytes(&self, id: Id) -> Option<Cow<'_, [u8]>> {
        match self.value(id) {
            Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Value::Call { arguments, .. } if self.class(id) == Some("_codecs.encode") => {
                let text = self.text(*self.sequence(*arguments)?.first()?)?;
                text.chars()
                    .map(|character| u8::try_from(u32::from(character)).ok())
                    .collect::<Option<_>>()
                    .map(Cow::Owned)
            }
            // The constructor of bytes without arguments.
            Value::Call { arguments, .. } if matches!(self.class(id), Some("__builtin__.bytes" | "builtins.bytes")) => {
                self.sequence(*arguments)?.is_empty().then_some(Cow::Borrowed(&[]))
            }
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, id: Id) -> Option<f64> {
        match self.value(id) {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The entries of a list or tuple.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(entries) => Some(entries),
            _ => None,
        }
    }

    /// The name of a class, or of the class of an object.
    pub fn class(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Class(name) => Some(name),
            Value::Call { callable, .. } => match self.value(*callable) {
                Value::Class(name) => Some(name),
                // A class that a whole model in the legacy format refers to with its source.
                Value::Persistent(reference) => self.module_class(*reference),
                _ => None,
            },
            _ => None,
        }
    }

    /// The class in a reference `('module', class, file, source)` of the legacy format.
    pub fn module_class(&self, reference: Id) -> Option<&str> {
        match self.sequence(reference)? {
            [tag, class, ..] if self.text(*tag) == Some("module") => match self.value(*class) {
                Value::Class(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The entries of a dictionary whose keys are texts or numbers, in the order of insertion.
    pub fn entries(&self, id: Id) -> Option<Vec<(String, Id)>> {
        let Value::Dict(pairs) = self.value(id) else { return None };
        let key = |id: Id| match self.value(id) {
            Value::Text(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        };
        Some(pairs.iter().filter_map(|(name, value)| Some((key(*name)?, *value))).collect())
    }

    /// The value of a key of a dictionary.
    pub fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let Value::Dict(pairs) = self.value(id) else { return None };
        pairs.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut pickle: &[u8]) -> Option<Pickle> {
        Pickle::read(&mut pickle)
    }

    #[test]
    fn values_are_kept_in_order_and_shared() {
        // {'b': [1, -2], 'a': 0.5, 'c': the same list}
        let bytes = b"\x80\x02}q\0(X\x01\0\0\0b]q\x01(K\x01J\xfe\xff\xff\xffeX\x01\0\0\0aG\x3f\xe0\0\0\0\0\0\0X\x01\0\0\0ch\x01u.";
        let pickle = read(bytes).unwrap();
        let entries = pickle.entries(pickle.root).unwrap();
        assert_eq!(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a", "c"]);
        assert_eq!(entries[0].1, entries[2].1);
        let list = pickle.sequence(entries[0].1).unwrap();
        assert_eq!((pickle.value(list[0]), pickle.value(list[1])), (&Value::Int(1), &Value::Int(-2)));
        assert_eq!(pickle.length as usize, bytes.len());
    }

    #[test]
    fn copies_take_no_memory_and_bad_input_is_no_panic() {
        let bomb = [b"\x80\x02]".as_slice(), &b"2a".repeat(1000), b"."].concat();
        assert_eq!(read(&bomb).unwrap().values.len(), 1);
        for bytes in [
            b"".as_slice(),
            b"\x80",
            b".",
            b"0.",
            b"(",
            b"a.",
            b"u.",
            b"t.",
            b"]h\x07.",
            b"\x80\x02X\xff\xff\xff\xffab.",
            b"R.",
            b"b.",
            b"S'\n.",
        ] {
            let _ = read(bytes);
        }
        assert!(read(b"\x80\x02X\xff\xff\xff\xffab.").is_none());
        assert!(read(b"0.").is_none());
    }
}
