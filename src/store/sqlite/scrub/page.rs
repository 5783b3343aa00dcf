//! The bytes of a page of a database that mean nothing, by SQLite's documented file format: they are set to zero, and nothing else is.

/// The bytes before the first page's own.
const DATABASE_HEADER: usize = 100;

/// The longest header of a freelist's trunk: the next trunk, and how many pages it lists.
const TRUNK_HEADER: usize = 8;

/// The bytes of an overflow page that name the next one.
pub const NEXT_PAGE: usize = 4;

/// What a cell of a b-tree has in other pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow {
    /// The first of the pages.
    pub first: u32,
    /// How many bytes are in all of them.
    pub bytes: usize,
}

/// A page that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged;

/// The kinds of pages of a b-tree, by their first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    InteriorIndex,
    InteriorTable,
    LeafIndex,
    LeafTable,
}

impl Kind {
    fn of(flags: u8) -> Option<Kind> {
        match flags {
            2 => Some(Kind::InteriorIndex),
            5 => Some(Kind::InteriorTable),
            10 => Some(Kind::LeafIndex),
            13 => Some(Kind::LeafTable),
            _ => None,
        }
    }

    fn is_interior(self) -> bool {
        matches!(self, Kind::InteriorIndex | Kind::InteriorTable)
    }
}

/// Clears a page if it is one of a b-tree, of which `usable` bytes are SQLite's. Returns what its cells have in other pages. A database of fewer
/// than 2²⁴ pages has no other page that begins as such a one does: the others begin with the number of a page.
pub fn clear_tree(page: &mut [u8], usable: usize, is_first: bool) -> Result<Vec<Overflow>, Damaged> {
    let header = if is_first { DATABASE_HEADER } else { 0 };
    let Some(kind) = Kind::of(page[header]) else {
        return Ok(Vec::new());
    };
    let mut used = vec![false; usable];
    let pointers = header + if kind.is_interior() { 12 } else { 8 };
    let cells = usize::from(word16(page, header + 3)?);
    note(&mut used, 0, pointers + 2 * cells)?;
    let mut overflows = Vec::new();
    for cell in 0..cells {
        let at = usize::from(word16(page, pointers + 2 * cell)?);
        let (length, overflow) = cell_at(page, at, kind, usable)?;
        note(&mut used, at, length)?;
        overflows.extend(overflow);
    }
    // Of a free block its place in the list of them and its length are needed.
    let mut block = usize::from(word16(page, header + 1)?);
    for _ in 0..usable {
        if block == 0 {
            break;
        }
        note(&mut used, block, 4)?;
        block = usize::from(word16(page, block)?);
    }
    for (byte, is_used) in page.iter_mut().zip(&used) {
        *byte = if *is_used { *byte } else { 0 };
    }
    Ok(overflows)
}

/// Clears what a trunk of the list of free pages has behind its list, and calls `each` with the pages in that. Returns the next trunk; 0 if there
/// is none.
pub fn clear_trunk(page: &mut [u8], usable: usize, mut each: impl FnMut(u32)) -> Result<u32, Damaged> {
    let listed = word32(page, 4)? as usize;
    let end = TRUNK_HEADER + 4 * listed;
    if end > usable {
        return Err(Damaged);
    }
    for place in 0..listed {
        each(word32(page, TRUNK_HEADER + 4 * place)?);
    }
    page[end..usable].fill(0);
    word32(page, 0)
}

/// Reads a number of 32 bits.
pub fn word32(page: &[u8], at: usize) -> Result<u32, Damaged> {
    let bytes = page.get(at..at + 4).ok_or(Damaged)?;
    Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
}

fn word16(page: &[u8], at: usize) -> Result<u16, Damaged> {
    let bytes = page.get(at..at + 2).ok_or(Damaged)?;
    Ok(u16::from_be_bytes(bytes.try_into().expect("two bytes")))
}

fn note(used: &mut [bool], at: usize, length: usize) -> Result<(), Damaged> {
    used.get_mut(at..at + length).ok_or(Damaged)?.fill(true);
    Ok(())
}

/// Returns how long a cell is, and what it has in other pages.
fn cell_at(page: &[u8], at: usize, kind: Kind, usable: usize) -> Result<(usize, Option<Overflow>), Damaged> {
    let mut end = at + if kind.is_interior() { 4 } else { 0 };
    let payload = varint(page, &mut end)?;
    if kind == Kind::InteriorTable {
        return Ok((end - at, None));
    }
    if kind == Kind::LeafTable {
        varint(page, &mut end)?;
    }
    let payload = usize::try_from(payload).map_err(|_| Damaged)?;
    let local = local_bytes(payload, kind, usable);
    end += local;
    if local == payload {
        // A cell takes at least the room of a free block.
        return Ok(((end - at).max(4), None));
    }
    let overflow = Overflow { first: word32(page, end)?, bytes: payload - local };
    Ok((end + 4 - at, Some(overflow)))
}

/// Returns how many bytes of a payload are in the cell itself.
fn local_bytes(payload: usize, kind: Kind, usable: usize) -> usize {
    let least = (usable - 12) * 32 / 255 - 23;
    let most = if kind == Kind::LeafTable { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
    if payload <= most {
        return payload;
    }
    let local = least + (payload - least) % (usable - 4);
    if local <= most { local } else { least }
}

fn varint(page: &[u8], at: &mut usize) -> Result<u64, Damaged> {
    let mut value = 0;
    for length in 1..=9 {
        let byte = *page.get(*at).ok_or(Damaged)?;
        *at += 1;
        if length == 9 {
            return Ok(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_is_cleared() {
        let mut page = vec![0xee; 512];
        // A leaf of a table with one cell of three bytes, and a free block of eight.
        page[..8].copy_from_slice(&[13, 0, 200, 0, 1, 1, 0xf0, 0]);
        page[8..10].copy_from_slice(&500_u16.to_be_bytes());
        page[500..505].copy_from_slice(&[3, 7, b'a', b'b', b'c']);
        page[200..204].copy_from_slice(&[0, 0, 0, 8]);
        let mut expected = vec![0; 512];
        expected[..10].copy_from_slice(&page[..10]);
        expected[200..204].copy_from_slice(&page[200..204]);
        expected[500..505].copy_from_slice(&page[500..505]);
        assert_eq!(clear_tree(&mut page, 512, false), Ok(Vec::new()));
        assert_eq!(page, expected);
    }

    #[test]
    fn a_page_that_is_not_as_it_should_be_stays() {
        for (flags, pointer) in [(13_u8, 600_u16), (10, 511), (5, 510), (2, 509)] {
            let mut page = vec![0xff; 512];
            page[..8].copy_from_slice(&[flags, 0, 0, 0, 1, 1, 0xf0, 0]);
            page[8..10].copy_from_slice(&pointer.to_be_bytes());
            page[12..14].copy_from_slice(&pointer.to_be_bytes());
            let before = page.clone();
            assert_eq!(clear_tree(&mut page, 512, false), Err(Damaged), "{flags}");
            assert_eq!(page, before);
        }
        let mut page = vec![0xff; 512];
        assert_eq!(clear_tree(&mut page, 512, false), Ok(Vec::new()));
        assert_eq!(clear_trunk(&mut page, 512, |_| ()), Err(Damaged));
    }
}
