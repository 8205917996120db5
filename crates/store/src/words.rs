//! Words that stand in columns: names of states, and the names that other rooms own.

use guard::{Role, Scope};
use kernel::BotName;
use vault::Sealed;

use crate::value::{FromValue, ToValue, Value};

/// A sealed value, and the generation of the key that seals it: what it takes to open it again.
pub type Keyed<T> = (Sealed<T>, u32);

/// An enum whose variants are stored as fixed texts.
macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word, as stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::StoreError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::StoreError::Malformed { what: stringify!($name) }),
                }
            }
        }

        impl $crate::ToValue for $name {
            fn to_value(&self) -> $crate::Value<'_> {
                $crate::Value::Text(self.as_str().into())
            }
        }

        impl $crate::FromValue for $name {
            const EXPECTED: &'static str = concat!("one of", $(" ", $text),*);

            fn from_value(value: $crate::Value<'static>) -> Option<Self> {
                match value {
                    $crate::Value::Text(text) => text.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
pub(crate) use states;

/// Names that other rooms own and that are stored as their texts.
macro_rules! texts {
    ($($name:ty, $expected:literal, |$it:ident| $text:expr;)*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                let $it = self;
                Value::Text($text.into())
            }
        }

        impl FromValue for $name {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: Value<'static>) -> Option<Self> {
                match value {
                    Value::Text(text) => text.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

texts! {
    BotName, "bot name", |it| it.as_str();
    Role, "role", |it| it.name();
    Scope, "scope", |it| it.to_string();
}

impl<T> ToValue for Sealed<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_bytes().to_value()
    }
}

/// Only the shape is checked here. Whether the seal holds is seen when it is opened.
impl<T> FromValue for Sealed<T> {
    const EXPECTED: &'static str = "sealed record";

    fn from_value(value: Value<'static>) -> Option<Self> {
        Sealed::parse(Vec::from_value(value)?).ok()
    }
}
