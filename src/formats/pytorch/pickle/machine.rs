//! Carries out the opcodes of a pickle on values that are data.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::{Id, Pickle, Value};

/// Copies that any pickle may make, in bytes.
const COPIES: u64 = 1 << 16;

/// Reads one pickle; `None` if it is invalid or has opcodes that are not known.
pub(super) fn read(pickle: &mut impl BufRead) -> Option<Pickle> {
    let mut machine = Machine {
        input: Counted { input: pickle, count: 0 },
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        references: Vec::new(),
        copied: 0,
    };
    while machine.step()? {}
    let root = machine.stack.pop()?;
    let Machine { input, values, references, .. } = machine;
    Some(Pickle { values, root, length: input.count, references })
}

/// Input whose bytes are counted.
struct Counted<'a, R> {
    input: &'a mut R,
    count: u64,
}

impl<R: BufRead> Counted<'_, R> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).ok()?;
        self.count += N as u64;
        Some(bytes)
    }

    /// A little-endian number of at most 8 bytes.
    fn number<const N: usize>(&mut self) -> Option<u64> {
        Some(self.array::<N>()?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// `length` bytes; memory grows only with what the input has.
    fn bytes(&mut self, length: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        self.count += bytes.len() as u64;
        (bytes.len() as u64 == length).then_some(bytes)
    }

    /// The text up to the next line break.
    fn line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        self.input.read_until(b'\n', &mut bytes).ok()?;
        self.count += bytes.len() as u64;
        (bytes.pop() == Some(b'\n')).then_some(())?;
        String::from_utf8(bytes).ok()
    }
}

struct Machine<'a, R> {
    input: Counted<'a, R>,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    references: Vec<(u64, Id)>,
    copied: u64,
}

impl<R: BufRead> Machine<'_, R> {
    /// Carries out one opcode. `false` at the end of the pickle.
    fn step(&mut self) -> Option<bool> {
        let place = self.input.count;
        let [opcode] = self.input.array()?;
        match opcode {
            b'.' => return Some(false),
            0x80 => drop(self.input.array::<1>()?),
            0x95 => drop(self.input.array::<8>()?),
            b'N' => self.push(Value::Nothing),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b']' | b')' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'K' => self.int(|input| input.number::<1>().map(|number| number as i64))?,
            b'M' => self.int(|input| input.number::<2>().map(|number| number as i64))?,
            b'J' => self.int(|input| input.array().map(|bytes| i64::from(i32::from_le_bytes(bytes))))?,
            b'G' => {
                let number = f64::from_be_bytes(self.input.array()?);
                self.push(Value::Float(number));
            }
            b'I' => {
                let line = self.input.line()?;
                self.push(match line.as_str() {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    number => Value::Int(number.trim().parse().ok()?),
                });
            }
            b'L' => {
                let line = self.input.line()?;
                self.push(line.trim_end_matches('L').parse().map_or(Value::Nothing, Value::Int));
            }
            b'F' => {
                let number = self.input.line()?.parse().ok()?;
                self.push(Value::Float(number));
            }
            b'S' | b'V' => {
                let line = self.input.line()?;
                let inside = line.get(1..line.len().saturating_sub(1)).filter(|_| opcode == b'S');
                self.push(Value::Text(inside.map_or(line.clone(), str::to_owned)));
            }
            b'U' => self.string(|input| input.number::<1>())?,
            b'T' => self.string(|input| input.number::<4>())?,
            0x8c => self.string(|input| input.number::<1>())?,
            b'X' => self.string(|input| input.number::<4>())?,
            0x8d => self.string(|input| input.number::<8>())?,
            b'C' => self.binary(|input| input.number::<1>())?,
            b'B' => self.binary(|input| input.number::<4>())?,
            0x8e | 0x96 => self.binary(|input| input.number::<8>())?,
            0x8a => self.long(|input| input.number::<1>())?,
            0x8b => self.long(|input| input.number::<4>())?,
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push(Value::Class(format!("{module}.{name}")));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(name), Value::Text(module)) = (&self.values[name], &self.values[module]) else {
                    return None;
                };
                let class = format!("{module}.{name}");
                self.charge(class.len())?;
                self.push(Value::Class(class));
            }
            b'P' => {
                let line = self.input.line()?;
                self.push(Value::Text(line));
                self.refer(place)?;
            }
            b'Q' => self.refer(place)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = *self.stack.last()?;
                self.stack.push(top);
            }
            b'g' => {
                let key = self.input.line()?.trim().parse().ok()?;
                self.get(key)?;
            }
            b'h' => {
                let key = self.input.number::<1>()?;
                self.get(key)?;
            }
            b'j' => {
                let key = self.input.number::<4>()?;
                self.get(key)?;
            }
            b'p' => {
                let key = self.input.line()?.trim().parse().ok()?;
                self.put(key)?;
            }
            b'q' => {
                let key = self.input.number::<1>()?;
                self.put(key)?;
            }
            b'r' => {
                let key = self.input.number::<4>()?;
                self.put(key)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'a' => {
                let entry = self.pop()?;
                self.append(vec![entry])?;
            }
            b'e' | 0x90 => {
                let entries = self.above_mark()?;
                self.append(entries)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(&[key, value])?;
            }
            b'u' => {
                let entries = self.above_mark()?;
                self.insert(&entries)?;
            }
            b'l' | b't' | 0x91 => {
                let entries = self.above_mark()?;
                self.push(Value::Sequence(entries));
            }
            b'd' => {
                let entries = self.above_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.insert(&entries)?;
            }
            0x85..=0x87 => {
                let rest = self.stack.len().checked_sub(usize::from(opcode - 0x84))?;
                let entries = self.stack.split_off(rest);
                self.push(Value::Sequence(entries));
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                let (_keywords, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                if let Value::Call { state: place, .. } = &mut self.values[*self.stack.last()?] {
                    *place = Some(state);
                }
            }
            _ => return None,
        }
        Some(true)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Option<Id> {
        self.stack.pop()
    }

    fn int(&mut self, read: impl Fn(&mut Counted<'_, R>) -> Option<i64>) -> Option<()> {
        let number = read(&mut self.input)?;
        self.push(Value::Int(number));
        Some(())
    }

    fn string(&mut self, length: impl Fn(&mut Counted<'_, R>) -> Option<u64>) -> Option<()> {
        let length = length(&mut self.input)?;
        let bytes = self.input.bytes(length)?;
        // A string of Python 2 may hold any bytes.
        self.push(String::from_utf8(bytes).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text));
        Some(())
    }

    fn binary(&mut self, length: impl Fn(&mut Counted<'_, R>) -> Option<u64>) -> Option<()> {
        let length = length(&mut self.input)?;
        let bytes = self.input.bytes(length)?;
        self.push(Value::Bytes(bytes));
        Some(())
    }

    /// An integer of any length; longer ones than 8 bytes have no use here.
    fn long(&mut self, length: impl Fn(&mut Counted<'_, R>) -> Option<u64>) -> Option<()> {
        let length = length(&mut self.input)?;
        let bytes = self.input.bytes(length)?;
        let value = if bytes.len() > 8 {
            Value::Nothing
        } else {
            let fill = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..bytes.len()].copy_from_slice(&bytes);
            Value::Int(i64::from_le_bytes(wide))
        };
        self.push(value);
        Some(())
    }

    fn get(&mut self, key: u64) -> Option<()> {
        let value = *self.memo.get(&key)?;
        self.stack.push(value);
        Some(())
    }

    fn put(&mut self, key: u64) -> Option<()> {
        self.memo.insert(key, *self.stack.last()?);
        Some(())
    }

    fn above_mark(&mut self) -> Option<Vec<Id>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }

    fn append(&mut self, entries: Vec<Id>) -> Option<()> {
        if let Value::Sequence(list) = &mut self.values[*self.stack.last()?] {
            list.extend(entries);
        }
        Some(())
    }

    fn insert(&mut self, entries: &[Id]) -> Option<()> {
        if let Value::Dict(dict) = &mut self.values[*self.stack.last()?] {
            dict.extend(entries.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)));
        }
        Some(())
    }

    fn refer(&mut self, place: u64) -> Option<()> {
        let reference = self.pop()?;
        self.references.push((place, reference));
        self.push(Value::Persistent(reference));
        Some(())
    }

    /// A call is kept as it is, except for one that makes a dictionary.
    fn call(&mut self, callable: Id, arguments: Id) -> Option<()> {
        let is_dict = matches!(&self.values[callable], Value::Class(name) if name == "collections.OrderedDict");
        let value = if is_dict {
            let first = match &self.values[arguments] {
                Value::Sequence(arguments) => arguments.first().copied(),
                _ => None,
            };
            let pairs = self.pairs(first);
            self.charge(pairs.len())?;
            Value::Dict(pairs)
        } else {
            Value::Call { callable, arguments, state: None }
        };
        self.push(value);
        Some(())
    }

    /// Counts a copy of something that may be used many times. More copies than the pickle is long
    /// are refused.
    fn charge(&mut self, size: usize) -> Option<()> {
        self.copied += size as u64;
        (self.copied <= COPIES + 8 * self.input.count).then_some(())
    }

    /// The entries of `OrderedDict([[key, value], …])`, as Python 2 wrote it.
    fn pairs(&self, list: Option<Id>) -> Vec<(Id, Id)> {
        let entries = |id: Id| match &self.values[id] {
            Value::Sequence(entries) => entries.as_slice(),
            _ => &[],
        };
        let pair = |id: &Id| match entries(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        list.map_or(Vec::new(), |list| entries(list).iter().filter_map(pair).collect())
    }
}
