//! Reads the JSON of a list of operations. If it is none, the message names the operation by its
//! number and name, the field, and what was expected there.
//!
//! The deserializer stops at the first field that is wrong, in the order of the object, and does
//! not say which it is. Here the fields are given to it one more at a time, until it stops.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::{Document, FORMAT, Operation, VERSION};
use crate::error::{Error, Result};

/// How a document is repaired.
const FIX: &str = "write it as docs/OPERATIONS.md says";
/// Most characters of a value that a message shows.
const MOST_SHOWN: usize = 60;

/// The document.
///
/// # Errors
/// [`Error::Input`] if it is not JSON, has a field that is not known or has another type, or lacks
/// one.
pub(super) fn parse(text: &str, source: &str) -> Result<Document> {
    let document: Document = serde_json::from_str(text).map_err(|error| fault(text, &error, source))?;
    if document.format != FORMAT || document.version != VERSION {
        let found = format!("format `{}`, version {}", document.format, document.version);
        return Err(Error::input(source, found, format!("format `{FORMAT}`, version {VERSION}"), FIX));
    }
    Ok(document)
}

/// The refusal of a document that could not be read with `error`.
fn fault(text: &str, error: &serde_json::Error, source: &str) -> Error {
    let told = serde_json::from_str(text).ok().and_then(|document| in_document(&document, source));
    told.unwrap_or_else(|| Error::input(source, error.to_string(), "a list of operations as JSON", FIX))
}

fn in_document(document: &Value, source: &str) -> Option<Error> {
    let refused = |found: String, expected: &str| Some(Error::input(source, found, expected, FIX));
    let Value::Object(fields) = document else {
        return refused(shown(document), "an object with format, version, input and operations");
    };
    for (name, value) in fields {
        let (is_right, expected) = match name.as_str() {
            "format" => (value.is_string(), "the text \"unrelu operations\""),
            "version" => (value.is_u64(), "the number 1"),
            "input" => (read::<Vec<usize>>(value).is_ok(), SHAPE),
            "operations" => (value.is_array(), "a list of operations, each an object"),
            _ => return refused(format!("the field `{name}`"), "format, version, input and operations, and no other"),
        };
        if !is_right {
            return refused(format!("`{name}`: {}", shown(value)), expected);
        }
    }
    for name in ["format", "version", "input", "operations"] {
        if !fields.contains_key(name) {
            return refused(format!("no field `{name}`"), "format, version, input and operations");
        }
    }
    let operations = fields.get("operations")?.as_array()?;
    (1..).zip(operations).find_map(|(number, operation)| in_operation(number, operation, source))
}

fn in_operation(number: usize, operation: &Value, source: &str) -> Option<Error> {
    let error = read::<Operation>(operation).err()?.to_string();
    let refused = |found: String, expected: &str, fix: &str| Some(Error::input(source, found, expected, fix));
    let Value::Object(fields) = operation else {
        return refused(format!("operation {number}: {}", shown(operation)), "an object with a field `op`", FIX);
    };
    let Some(Value::String(name)) = fields.get("op") else {
        let found = fields.get("op").map_or("no field `op`".to_owned(), |op| format!("`op`: {}", shown(op)));
        return refused(format!("operation {number}: {found}"), "the name of an operation, such as \"linear\"", FIX);
    };
    if let Some(names) = error.strip_prefix("unknown variant ").and_then(|rest| rest.split_once("expected one of ")) {
        let fix = "use one of these; docs/OPERATIONS.md says what each computes";
        return refused(format!("operation {number}: `op`: {}", shown(&fields["op"])), &plain(names.1), fix);
    }
    if let Some(field) = error.strip_prefix("missing field ") {
        let expected = format!("the field {field}");
        return refused(format!("operation {number}, {name}: no field {field}"), &expected, FIX);
    }
    let (field, value) = first_wrong(fields)?;
    let found = format!("operation {number}, {name}: `{field}`: {}", shown(value));
    if error.starts_with("unknown field ") {
        let known = error.split_once("expected ").map_or("no field but `op`".to_owned(), |(_, known)| {
            format!("the fields {}", plain(known.trim_start_matches("one of ")))
        });
        return refused(
            format!("operation {number}, {name}: the field `{field}`"),
            &known,
            "correct or remove the field",
        );
    }
    let expected = expected(name, field);
    let fix = match (field, value.as_array()) {
        ("shape", Some(extents)) if extents.iter().any(|extent| extent.as_i64() == Some(-1)) => {
            "write the number of entries in the place of -1, and leave out the axis of the batch"
        }
        _ => "correct this field; docs/OPERATIONS.md says what each field means",
    };
    refused(found, expected, fix)
}

/// The first field that the deserializer refuses.
fn first_wrong(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut given = Map::new();
    given.insert("op".to_owned(), fields.get("op")?.clone());
    for (name, value) in fields.iter().filter(|(name, _)| *name != "op") {
        given.insert(name.clone(), value.clone());
        let refusal = read::<Operation>(&Value::Object(given.clone())).err().map(|error| error.to_string());
        // Fields that are still to come are missing.
        if refusal.is_some_and(|refusal| !refusal.starts_with("missing field ")) {
            return Some((name, value));
        }
    }
    None
}

const SHAPE: &str = "the shape without the batch: a list of integers of 1 or more, such as [64, 7, 7]";

/// What a field of an operation holds.
fn expected(operation: &str, field: &str) -> &'static str {
    match (operation, field) {
        ("scale", "weight" | "bias") => "the name of a tensor, as a text, or a number",
        ("resample", _) | (_, "weight" | "bias" | "running_mean" | "running_var") => "the name of a tensor, as a text",
        (_, "shape") => SHAPE,
        (_, "stride" | "padding" | "output_padding" | "dilation" | "kernel_size" | "size" | "output_size") => {
            "an integer of 0 or more for both axes, or a pair of them, [rows, columns]"
        }
        (_, "groups") => "an integer of 1 or more",
        (_, "scale_factor") => "a number for both axes, or a pair of them, [rows, columns]",
        (_, "mode") => "\"nearest\" or \"bilinear\"",
        (_, "approximate") => "\"none\" or \"tanh\"",
        (_, "align_corners" | "ceil_mode" | "count_include_pad") => "true or false",
        _ => "a number",
    }
}

fn read<'d, T: Deserialize<'d>>(value: &'d Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

/// A value, cut if it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    text.chars().take(MOST_SHOWN).chain(" …".chars()).collect()
}

/// A list of names without the marks around each.
fn plain(names: &str) -> String {
    names.replace('`', "")
}
