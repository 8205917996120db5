//! Values that go into a statement and come out of a row. Both engines know exactly four kinds here:
//! nothing, a 64-bit integer, a text and a blob. Times, sequence numbers and truth values are
//! integers; ids, hashes and everything sealed are blobs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use kernel::{
    AccessRequestId, ApiKeyId, ConnectionId, ConversationId, DirectoryEntryId, DirectoryTokenId, EventId,
    HoldId, Id, InviteId, KeyId, KeyRequestId, MessageId, NoticeId, ReleaseId, RequestId, SessionId,
    SubjectId, TenantId, TicketId, Timestamp, UserId,
};

/// One value. `Debug` shows its kind and size and not what it holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing: SQL's NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The kind in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "integer",
            Self::Text(_) => "text",
            Self::Blob(_) => "blob",
        }
    }
}

impl Value<'_> {
    /// A value of a row's key, in the words of a report.
    pub fn told(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The same, holding its own bytes.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Blob(bytes) => Value::Blob(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::Int(_) => f.write_str(self.kind()),
            Self::Text(text) => write!(f, "text of {} bytes", text.len()),
            Self::Blob(bytes) => write!(f, "blob of {} bytes", bytes.len()),
        }
    }
}

/// A column that is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// The statement does not select a column of this name (or it was taken already).
    #[error("the row has no column `{column}`")]
    Absent {
        /// The column asked for.
        column: &'static str,
    },
    /// The column holds another kind of value.
    #[error("column `{column}` holds a {found} where a {expected} is expected")]
    Kind {
        /// The column asked for.
        column: &'static str,
        /// What is expected there.
        expected: &'static str,
        /// The kind found.
        found: &'static str,
    },
}

/// What can be given to a statement.
pub trait ToValue {
    /// The value as the engines know it.
    fn to_value(&self) -> Value<'_>;
}

/// What can be read from a column.
pub trait FromValue: Sized {
    /// What is expected, in words.
    const EXPECTED: &'static str;

    /// Reads it, or gives nothing when the value is another kind or out of range.
    fn from_value(value: Value<'static>) -> Option<Self>;
}

/// The parameters of a statement, in the order of its `$1`, `$2`, ...
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::ToValue::to_value(&$value)),*] };
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToValue for $type {
            /// Values past `i64::MAX` become it: nothing counted here (rows, milliseconds until the
            /// year 9999, key generations) can reach it.
            fn to_value(&self) -> Value<'_> {
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl FromValue for $type {
            const EXPECTED: &'static str = concat!("number (", stringify!($type), ")");

            fn from_value(value: Value<'static>) -> Option<Self> {
                match value {
                    Value::Int(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integers!(i64, u64, u32, u16, u8, usize);

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::Blob(Cow::Owned(self.to_bytes().to_vec()))
            }
        }

        impl FromValue for $name {
            const EXPECTED: &'static str = "16-byte id";

            fn from_value(value: Value<'static>) -> Option<Self> {
                <[u8; 16]>::from_value(value).map(Self::from_bytes)
            }
        }
    )*};
}

ids!(
    AccessRequestId,
    HoldId,
    ApiKeyId,
    ConnectionId,
    ConversationId,
    DirectoryEntryId,
    DirectoryTokenId,
    EventId,
    InviteId,
    KeyId,
    KeyRequestId,
    MessageId,
    NoticeId,
    ReleaseId,
    RequestId,
    SessionId,
    SubjectId,
    TenantId,
    TicketId,
    UserId
);

impl ToValue for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "truth value (0 or 1)";

    fn from_value(value: Value<'static>) -> Option<Self> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl ToValue for Timestamp {
    fn to_value(&self) -> Value<'_> {
        Value::Int(i64::try_from(self.as_millis()).unwrap_or(i64::MAX))
    }
}

impl FromValue for Timestamp {
    const EXPECTED: &'static str = "time in milliseconds";

    fn from_value(value: Value<'static>) -> Option<Self> {
        u64::from_value(value).map(Self::from_millis)
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: Value<'static>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "blob";

    fn from_value(value: Value<'static>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.into_owned()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    const EXPECTED: &'static str = "blob of a fixed length";

    fn from_value(value: Value<'static>) -> Option<Self> {
        Vec::from_value(value)?.try_into().ok()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (*self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value<'static>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// One row of an answer. A column is read by name and by taking it, so a large blob is not copied.
#[derive(Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Option<Value<'static>>>,
    /// The column after the last one that was taken: mostly the next one that is.
    next: usize,
}

impl Row {
    pub(crate) fn new(columns: Arc<[String]>, values: Vec<Value<'static>>) -> Self {
        Self { columns, values: values.into_iter().map(Some).collect(), next: 0 }
    }

    /// Takes a column out of the row.
    ///
    /// # Errors
    /// When the statement selects no such column, when it was taken before, or when it holds
    /// something else.
    pub fn take<T: FromValue>(&mut self, column: &'static str) -> Result<T, ColumnError> {
        let at = match self.columns.get(self.next) {
            Some(name) if name == column => self.next,
            _ => self.columns.iter().position(|name| name == column).ok_or(ColumnError::Absent { column })?,
        };
        self.next = at + 1;
        let value = self.values.get_mut(at).and_then(Option::take).ok_or(ColumnError::Absent { column })?;
        let found = value.kind();
        T::from_value(value).ok_or(ColumnError::Kind { column, expected: T::EXPECTED, found })
    }

    /// The columns that were not taken yet, with their names.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &Value<'static>)> {
        let values = self.columns.iter().zip(&self.values);
        values.filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?)))
    }

    /// All values, in the order of the statement's columns; nothing stands for one that was taken.
    pub fn into_values(self) -> Vec<Value<'static>> {
        self.values.into_iter().map(|value| value.unwrap_or(Value::Null)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value<'static>) -> Row {
        Row::new(Arc::from(["c".to_owned()]), vec![value])
    }

    #[test]
    fn a_column_of_another_kind_is_refused_by_name() {
        assert_eq!(
            row(Value::Int(1)).take::<String>("c"),
            Err(ColumnError::Kind { column: "c", expected: "text", found: "integer" })
        );
        assert_eq!(row(Value::Int(1)).take::<i64>("d"), Err(ColumnError::Absent { column: "d" }));
        assert!(row(Value::Int(-1)).take::<u64>("c").is_err());
    }

    #[test]
    fn null_is_read_only_where_it_may_stand() {
        assert_eq!(row(Value::Null).take::<Option<i64>>("c"), Ok(None));
        assert!(row(Value::Null).take::<i64>("c").is_err());
    }

    #[test]
    fn a_column_is_taken_once() {
        let mut row = row(Value::Int(7));
        assert_eq!(row.take::<u32>("c"), Ok(7));
        assert_eq!(row.take::<u32>("c"), Err(ColumnError::Absent { column: "c" }));
    }

    #[test]
    fn columns_are_taken_in_any_order() {
        let columns: Arc<[String]> = ["a", "b", "c"].map(str::to_owned).into();
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"], ["b", "a", "c"]] {
            let mut row = Row::new(columns.clone(), vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
            for name in order {
                let number = i64::from(name.as_bytes()[0] - b'a') + 1;
                assert_eq!(row.take::<i64>(name), Ok(number), "{order:?}");
                assert!(row.take::<i64>(name).is_err(), "taken once");
            }
        }
    }

    #[test]
    fn debug_shows_sizes_and_not_contents() {
        let shown = format!("{:?}", Value::Text("hunter2".into()));
        assert_eq!(shown, "text of 7 bytes");
    }
}
