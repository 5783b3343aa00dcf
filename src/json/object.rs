//! Objects of which some members are known.

use super::UNKNOWN_MAX;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The `N` members of an object that are known.
pub trait Shape<const N: usize> {
    /// The two spellings of each name, in camelCase and in PascalCase.
    const NAMES: [[&'static str; 2]; N];
}

/// An object read by its [`Shape`]. A known member may appear once, in one of its spellings. Unlike a derived struct it cannot be read
/// from an array.
#[derive(Debug)]
pub struct Object<'a, S, T, const N: usize> {
    /// The values of the known members, in the order of [`Shape::NAMES`]; `None` if one is absent.
    pub members: [Option<T>; N],
    /// The names of the first [`UNKNOWN_MAX`] other members; no answer lists more.
    pub unknown: Vec<Cow<'a, str>>,
    shape: PhantomData<S>,
}

impl<'de: 'a, 'a, S: Shape<N>, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Object<'a, S, T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

struct OfMap<'a, S, T, const N: usize>(PhantomData<Object<'a, S, T, N>>);

impl<'de: 'a, 'a, S: Shape<N>, T: Deserialize<'de>, const N: usize> Visitor<'de> for OfMap<'a, S, T, N> {
    type Value = Object<'a, S, T, N>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [const { None }; N];
        let mut unknown = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let Some(place) = S::NAMES.iter().position(|spellings| spellings.contains(&&*name)) else {
                map.next_value::<IgnoredAny>()?;
                if unknown.len() < UNKNOWN_MAX {
                    unknown.push(name);
                }
                continue;
            };
            if members[place].is_some() {
                return Err(A::Error::custom(format_args!("{} appears twice", S::NAMES[place][0])));
            }
            members[place] = Some(map.next_value()?);
        }
        Ok(Object { members, unknown, shape: PhantomData })
    }
}

/// The name of a member, borrowed unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfStr;
        impl<'de> Visitor<'de> for OfStr {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(OfStr)
    }
}
