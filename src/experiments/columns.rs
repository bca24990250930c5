//! The columns of a record: the field names of its rows, without any row.

use std::fmt;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of `R` in the order of writing; empty if `R` is not a struct with named fields.
pub fn columns<R: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // Deserialising stops as soon as the struct has requested its fields.
    let _ = R::deserialize(Asked(&mut fields));
    fields
}

/// A deserialiser that records the fields that a struct requests, and returns no value.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(refused("a struct with named fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(refused("nothing"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn refused(what: impl fmt::Display) -> Error {
    serde::de::Error::custom(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_that_a_writer_writes() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Row {
            one: f64,
            #[serde(rename = "2")]
            two: Option<String>,
        }
        assert_eq!(columns::<Row>(), ["one", "2"]);
        assert!(columns::<f64>().is_empty());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(Row { one: 1.0, two: None }).unwrap();
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(written.lines().next(), Some(&*columns::<Row>().join(",")));
    }
}
