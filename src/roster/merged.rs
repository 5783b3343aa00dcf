//! Merged: an employee who turned out to be the same person as another.
//!
//! It is removed, and its id says whom it was merged into, so taking the change back gives the employee its life back.

/// Returns the id of the employee with a number once it was merged into another.
pub fn merged_id(number: u32, into: u32) -> String {
    format!("\0{into}\0{number}")
}

/// Returns the number of the employee that the one with this id was merged into; `None` if it was merged into none.
pub fn merged_into(id: &str) -> Option<u32> {
    let (into, _) = id.strip_prefix('\0')?.split_once('\0')?;
    into.parse().ok()
}

/// Returns what the ids of all who were merged into the employee with a number begin with.
pub fn merged_prefix(into: u32) -> String {
    format!("\0{into}\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::valid_id;

    #[test]
    fn an_id_says_whom_its_employee_was_merged_into() {
        let id = merged_id(12, 7);
        assert_eq!(merged_into(&id), Some(7));
        assert!(id.starts_with(&merged_prefix(7)) && !id.starts_with(&merged_prefix(71)));
        assert!(valid_id(&id).is_err());
        for id in ["7", "", "\0", "\x007", "\0x\x001"] {
            assert_eq!(merged_into(id), None, "{id:?}");
        }
    }
}
