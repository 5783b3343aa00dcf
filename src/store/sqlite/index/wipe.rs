//! Employees who were removed, in the stored index: their entries have no hash of a value, and no block has their bytes.

use super::{ENTRY_BYTES, Order, digest, pack, pack_blocks, read_order, unpack, unpack_blocks, unpack_runs};
use crate::roster::Entry;
use crate::store::Error;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Replaces every entry of these employees, by number, also those that later parts replace, and forgets the blocks that have their bytes.
pub fn wipe(connection: &Connection, wiped: &HashMap<u32, Entry>) -> Result<(), Error> {
    let parts: Vec<i64> = connection
        .prepare("SELECT part FROM index_part")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut select = connection.prepare("SELECT entries FROM index_part WHERE part = ?")?;
    let mut replace = connection.prepare("UPDATE index_part SET entries = ?, digest = ? WHERE part = ?")?;
    for part in parts {
        let mut entries: Vec<u8> = select.query_row([part], |row| row.get(0))?;
        let mut has_changed = false;
        for bytes in entries.chunks_exact_mut(ENTRY_BYTES) {
            if let Some(entry) = wiped.get(&unpack(bytes).number) {
                let mut packed = Vec::with_capacity(ENTRY_BYTES);
                pack(&mut packed, entry);
                bytes.copy_from_slice(&packed);
                has_changed = true;
            }
        }
        if has_changed {
            replace.execute(params![entries, digest(&entries), part])?;
        }
    }
    wipe_blocks(connection, wiped)
}

fn wipe_blocks(connection: &Connection, wiped: &HashMap<u32, Entry>) -> Result<(), Error> {
    let state = "SELECT employees FROM index_state";
    let Some(employees) = connection.query_row(state, [], |row| row.get::<_, u64>(0)).optional()? else {
        return Ok(());
    };
    let Order { runs, blocks } = read_order(connection)?;
    let slots = unpack_runs(&runs, usize::try_from(employees).unwrap_or_default());
    let mut blocks = unpack_blocks(&blocks);
    let before = blocks.len();
    blocks.retain(|block| {
        slots.get(block.range()).is_some_and(|slots| slots.iter().all(|slot| !wiped.contains_key(&(slot + 1))))
    });
    if blocks.len() < before {
        let order = Order { runs, blocks: pack_blocks(&blocks) };
        connection.execute("UPDATE index_order SET blocks = ?, digest = ?", params![order.blocks, order.digest()])?;
    }
    Ok(())
}
