//! Twice: employees whom a push carries twice are left out of the rules of the whole roster.
//!
//! Nobody can tell which of the two is right. Which of them was noted first depends on whether one was recognised by its bytes, so neither may
//! decide what is reported of others.

use super::Failure;
use super::outcome::Outcome;
use crate::roster::{Change, Entry, Index, OwnedChange};
use crate::store::Draft;

/// How many changes are read from the draft at a time.
const BATCH: usize = 1_024;

/// Takes back what a push that will be refused has appended of stored employees whom it carries twice, with their unique values and
/// references.
pub fn leave_out(outcome: &mut Outcome, draft: &mut Draft, index: &mut Index) -> Result<(), Failure> {
    let first_created = outcome.first_created();
    let Outcome { verdict, uniques, references, .. } = outcome;
    uniques.leave_out(|number| verdict.has_twice(number));
    references.leave_out(|number| verdict.has_twice(number));
    let mut after = 0;
    loop {
        let mut batch = draft.changes(after, BATCH)?;
        let Some(last) = batch.last() else {
            return Ok(());
        };
        after = last.number;
        batch.retain(|change| change.number < first_created && verdict.has_twice(change.number));
        for OwnedChange { before, .. } in &batch {
            let Some(before) = before else {
                continue;
            };
            let id = crate::roster::hash(draft.seed(), before.id.as_bytes());
            if let Some(slot) = index.find(id) {
                index.update(slot, Entry { status: before.status, ..index.get(slot) });
            }
        }
        let inverses: Vec<Change> = batch.iter().map(|change| change.lend().inverse()).collect();
        draft.append(&inverses)?;
    }
}
