//! The data of an employee, as it is stored and compared.

/// Values in canonical form by the account's field numbers, packed: for each field that is not empty, in ascending order,
/// its number and the value's length in bytes as LEB128, then the value. Equal data has equal bytes.
///
/// `B` holds the bytes: its own, or lent ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Data<B = Vec<u8>>(B);

impl Data {
    /// Appends a value that is not empty; `number` is above all that are there.
    pub fn push(&mut self, number: u32, value: &str) {
        leb128(&mut self.0, number);
        leb128(&mut self.0, u32::try_from(value.len()).expect("an employee is shorter than 4 GiB"));
        self.0.extend_from_slice(value.as_bytes());
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<B: AsRef<[u8]>> Data<B> {
    /// Takes bytes that [`Data::as_bytes`] gave.
    pub fn from_bytes(bytes: B) -> Data<B> {
        Data(bytes)
    }

    /// The packed form.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// The same, lent.
    pub fn lend(&self) -> Data<&[u8]> {
        Data(self.as_bytes())
    }

    /// Whether the bytes are such as [`Data::push`] makes: nothing is cut off, and every value is text.
    pub fn is_whole(&self) -> bool {
        let mut rest = self.as_bytes();
        let mut last = None;
        while !rest.is_empty() {
            let Some((number, value)) = unpack(&mut rest) else {
                return false;
            };
            if last >= Some(number) || value.is_empty() || std::str::from_utf8(value).is_err() {
                return false;
            }
            last = Some(number);
        }
        true
    }

    /// Whether every field is empty.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Field numbers and values, in ascending order of the numbers. Ends early where the bytes are damaged.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        packed(self.as_bytes()).map_while(|(number, value)| Some((number, std::str::from_utf8(value).ok()?)))
    }

    /// Returns the value of one field in UTF-8, or `None` if it is empty.
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        packed(self.as_bytes()).find(|(n, _)| *n == number).map(|(_, value)| value)
    }
}

impl<'a> Data<&'a [u8]> {
    /// As [`Data::iter`], with values that live as long as the lent bytes.
    pub fn texts(&self) -> impl Iterator<Item = (u32, &'a str)> + use<'a> {
        packed(self.0).map_while(|(number, value)| Some((number, std::str::from_utf8(value).ok()?)))
    }

    /// Field numbers and values in UTF-8, in ascending order of the numbers. Ends early where the bytes are damaged.
    pub fn values(self) -> impl Iterator<Item = (u32, &'a [u8])> {
        packed(self.0)
    }

    /// Returns the value of one field as text, or `None` if it is empty. It lives as long as the borrowed bytes.
    pub fn text(&self, number: u32) -> Option<&'a str> {
        self.texts().find(|(n, _)| *n == number).map(|(_, value)| value)
    }
}

fn packed(mut rest: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || unpack(&mut rest))
}

/// Takes the first field off; `None` at the end, and if the bytes are damaged.
fn unpack<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let number = read_leb128(rest)?;
    let length = read_leb128(rest)? as usize;
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((number, value))
}

pub(super) fn leb128(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(super) fn read_leb128(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..32).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out(values in prop::collection::btree_map(any::<u32>(), ".{1,300}", 0..8)) {
            let mut data = Data::default();
            for (number, value) in &values {
                data.push(*number, value);
            }
            prop_assert!(data.is_whole());
            let out: Vec<_> = data.iter().map(|(n, v)| (n, v.to_owned())).collect();
            prop_assert_eq!(out, values.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Data::from_bytes(bytes).iter().count();
        }
    }
}
