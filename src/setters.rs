//! Setters for option structs, which grow: they are built from their defaults, field by field.

/// Writes for each named field a method of the field's name, which takes the options and the value
/// and returns the options.
macro_rules! setters {
    ($options:ident { $($field:ident: $kind:ty),+ $(,)? }) => {
        impl $options {
            $(
                #[doc = concat!("Sets the field `", stringify!($field), "`.")]
                #[must_use]
                pub fn $field(mut self, $field: $kind) -> Self {
                    self.$field = $field;
                    self
                }
            )+
        }
    };
}
pub(crate) use setters;
