//! Names of things: kinds, entities, list items, places in a log, proposals and hashes.
//!
//! Invariant: a value of one of these types is well-formed; every way in (`new`, `FromStr`, serde)
//! goes through the same check, so nothing behind it checks a name again.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::excerpt::Short;

const KIND_CHARACTERS_MAX: usize = 32;
const ENTITY_KEY_CHARACTERS_MAX: usize = 64;
const ITEM_ID_CHARACTERS_MAX: usize = 64;
const MAP_KEY_BYTES_MAX: usize = 128;

/// Why a text is not the name it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The name of a kind does not have the form it must have.
    #[error(
        "kind {0:?} must be 1 to 32 characters: a lower-case letter, then lower-case letters, \
         digits or '-'"
    )]
    Kind(String),
    /// The part of an entity's name after the slash does not have the form it must have.
    #[error(
        "entity id {0:?} must be 1 to 64 characters: an ASCII letter or digit, then ASCII letters, \
         digits, '.', '_', '~' or '-'"
    )]
    EntityKey(String),
    /// The id of a list item does not have the form it must have.
    #[error("item id {0:?} must be 1 to 64 ASCII letters, digits, '_' or '-'")]
    Item(String),
    /// The key in an open map does not have the form it must have.
    #[error(
        "map key {0:?} must be 1 to 128 bytes without control characters and must not begin with '$'"
    )]
    MapKey(String),
    /// Text that should be hexadecimal digits of a fixed number of bytes is not.
    #[error("{text:?} must be {bytes} bytes in hexadecimal digits")]
    Hex {
        /// The text as it was given (shortened).
        text: String,
        /// How many bytes were expected.
        bytes: usize,
    },
    /// Bytes of the wrong length for a fixed-size id.
    #[error("expected {expected} bytes, found {found}")]
    Length {
        /// How many bytes such an id has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
}

/// Keeps error messages short when a name has a megabyte.
fn shortened(text: &str) -> String {
    Short(text).to_string()
}

fn is_kind(text: &str) -> bool {
    text.len() <= KIND_CHARACTERS_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_entity_key(text: &str) -> bool {
    text.len() <= ENTITY_KEY_CHARACTERS_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
}

fn is_item_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ITEM_ID_CHARACTERS_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Checks a key of an open map (a map whose keys the schema does not name): 1 to 128 bytes, no
/// control characters, and not beginning with `$`, which is reserved for registers of our own.
///
/// # Errors
///
/// [`IdError::MapKey`] when the key is not valid.
pub fn check_map_key(key: &str) -> Result<(), IdError> {
    let good = !key.is_empty()
        && key.len() <= MAP_KEY_BYTES_MAX
        && !key.starts_with('$')
        && key != "__proto__"
        && !key.chars().any(char::is_control);
    if good {
        Ok(())
    } else {
        Err(IdError::MapKey(shortened(key)))
    }
}

macro_rules! text_serde {
    ($name:ident) => {
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                struct Visitor;
                impl ::serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("text for ", stringify!($name)))
                    }
                    fn visit_str<E: ::serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}
pub(crate) use text_serde;

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path, $error:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it has the right form.
            ///
            /// # Errors
            ///
            /// [`IdError`] saying which form it should have.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err($error(shortened(&text))) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        text_serde!($name);
    };
}

checked_text!(
    /// A class of entities, described by one schema file: `team`.
    Kind, is_kind, IdError::Kind
);
checked_text!(
    /// The key of an item in a keyed list.
    ItemId, is_item_id, IdError::Item
);

/// The name of one entity: `team/jane-doe`, or only the kind (`settings`) for a singleton.
///
/// Whether a kind is a singleton is for the policy to know; this type takes both forms. Names are
/// ordered bytewise by their text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityId {
    kind: Kind,
    id: Option<String>,
}

impl Ord for EntityId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.kind == other.kind {
            return self.id.cmp(&other.id);
        }
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for EntityId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl EntityId {
    /// The bytes of the name as text.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let kind = self.kind.as_str().bytes();
        let id = self
            .id
            .iter()
            .flat_map(|id| b"/".iter().copied().chain(id.bytes()));
        kind.chain(id)
    }

    /// Names the entity `id` of `kind`, or with no id the only entity of a singleton kind.
    ///
    /// # Errors
    ///
    /// [`IdError::EntityKey`] when the id does not have the right form.
    pub fn new(kind: Kind, id: Option<&str>) -> Result<Self, IdError> {
        match id {
            Some(id) if !is_entity_key(id) => Err(IdError::EntityKey(shortened(id))),
            id => Ok(Self {
                kind,
                id: id.map(str::to_owned),
            }),
        }
    }

    /// The only entity of a singleton kind.
    pub fn singleton(kind: Kind) -> Self {
        Self { kind, id: None }
    }

    /// The kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The part after the slash; none for a singleton.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{}/{id}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl FromStr for EntityId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((kind, id)) => Self::new(kind.parse()?, Some(id)),
            None => Ok(Self::singleton(text.parse()?)),
        }
    }
}

text_serde!(EntityId);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            ///
            /// # Panics
            ///
            /// After `u64::MAX`, which counting one by one does not reach.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("counting one by one never reaches 2^64"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number!(
    /// Which life of an entity's log: a new epoch starts the log over. The first is 1.
    Epoch
);
number!(
    /// The place of an entry in one entity's log within an epoch: genesis 0, creation 1, …
    Seq
);
number!(
    /// The place of an entry in the one order of all entries of a ledger. The first is 1.
    GlobalSeq
);

impl Epoch {
    /// The epoch an entity starts in.
    pub const FIRST: Self = Self(1);
}

/// The place of an entry in the log of its entity; places are ordered as the log is. Text form:
/// `2:12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPlace {
    /// The epoch.
    pub epoch: Epoch,
    /// The place within the epoch.
    pub seq: Seq,
}

impl LogPlace {
    /// Where every log begins.
    pub const FIRST: Self = Self::start_of(Epoch::FIRST);

    /// The place of the entry `seq` of an epoch.
    #[must_use]
    pub const fn new(epoch: Epoch, seq: Seq) -> Self {
        Self { epoch, seq }
    }

    /// Where an epoch begins.
    #[must_use]
    pub const fn start_of(epoch: Epoch) -> Self {
        Self::new(epoch, Seq(0))
    }

    /// The place after this one in the same epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self::new(self.epoch, self.seq.next())
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $length:expr) => {
        $(#[$doc])*
        ///
        /// Text form: lower-case hexadecimal digits. Serialised as bytes in binary formats and
        /// as text in formats meant for people (JSON).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// How many bytes it has.
            pub const LENGTH: usize = $length;

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $length];
                hex::encode_to_slice(self.0, &mut text).expect("two digits stand for a byte");
                f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $length];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| IdError::Hex { text: shortened(text), bytes: $length })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                let found = bytes.len();
                let bytes =
                    bytes.try_into().map_err(|_| IdError::Length { expected: $length, found })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, concat!("{} bytes for ", stringify!($name)), $length)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::try_from(bytes).map_err(E::custom)
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Visitor)
                } else {
                    deserializer.deserialize_bytes(Visitor)
                }
            }
        }
    };
}

fixed_bytes!(
    /// A proposal's name, chosen by the client (UUIDv7 bytes recommended); unique per principal.
    ProposalId, 16
);
fixed_bytes!(
    /// One connection of one principal, chosen by the server.
    SessionId, 16
);
fixed_bytes!(
    /// A SHA-256 digest.
    Hash, 32
);

impl Hash {
    /// All zeros: the "previous hash" of the first link of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of the parts joined together.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl From<automerge::ChangeHash> for Hash {
    fn from(hash: automerge::ChangeHash) -> Self {
        Self(hash.0)
    }
}

impl From<Hash> for automerge::ChangeHash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_ordered_by_their_names() {
        let mut names = [
            "team/x", "team-a/b", "team", "team0", "a", "team/a.b", "team/a", "teams/a",
        ];
        let mut ids = names.map(|name| name.parse::<EntityId>().unwrap());
        names.sort_unstable();
        ids.sort();
        assert_eq!(ids.map(|id| id.to_string()), names);
    }

    #[test]
    fn names_have_one_form() {
        for good in ["settings", "team/jane-doe", "a-1/0", "services/A.b_c~d-e"] {
            let id: EntityId = good.parse().unwrap();
            assert_eq!(id.to_string(), good);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<EntityId>(&json).unwrap(), id);
        }
        for bad in [
            "", "/", "Team", "team/", "team/a/b", "team/-a", "team/ä", "1a", "team/a b",
        ] {
            assert!(bad.parse::<EntityId>().is_err(), "{bad:?} was taken");
        }
        assert!(Kind::new("k".repeat(32)).is_ok());
        assert!(Kind::new("k".repeat(33)).is_err());
        assert!(EntityId::new(Kind::new("k").unwrap(), Some(&"i".repeat(64))).is_ok());
        assert!(EntityId::new(Kind::new("k").unwrap(), Some(&"i".repeat(65))).is_err());
    }

    #[test]
    fn item_ids_and_map_keys_are_told_apart() {
        assert!(ItemId::new("_x-9").is_ok());
        assert!(ItemId::new("a.b").is_err());
        assert!(ItemId::new("").is_err());
        assert!(check_map_key("Öffnungszeiten / Mo.").is_ok());
        assert!(check_map_key("$position").is_err());
        assert!(check_map_key("a\u{7}").is_err());
        assert!(check_map_key("").is_err());
        assert!(check_map_key(&"x".repeat(129)).is_err());
    }

    #[test]
    fn errors_say_what_is_wrong_and_stay_short() {
        let error = Kind::new("Team").unwrap_err().to_string();
        assert!(
            error.contains("\"Team\"") && error.contains("lower-case"),
            "{error}"
        );
        let error = ItemId::new("é".repeat(100_000)).unwrap_err().to_string();
        assert!(error.len() < 400, "{}", error.len());
    }

    #[test]
    fn bytes_are_hex_for_people_and_bytes_for_machines() {
        let hash = Hash::of(&[b"a", b"bc"]);
        assert_eq!(
            hash.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{hash}\""));
        assert_eq!(
            serde_json::from_str::<Hash>(&format!("\"{hash}\"")).unwrap(),
            hash
        );
        let cbor = minicbor_serde::to_vec(hash).unwrap();
        assert_eq!(cbor.len(), 34);
        assert_eq!(minicbor_serde::from_slice::<Hash>(&cbor).unwrap(), hash);
        assert!(minicbor_serde::from_slice::<ProposalId>(&cbor).is_err());
        assert!("abc".parse::<Hash>().is_err());
    }
}
