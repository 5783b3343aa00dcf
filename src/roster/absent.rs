//! What becomes of employees whom a push does not carry.

/// What becomes of employees whom a push does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They are hidden.
    Hide,
    /// They stay as they are.
    Stay,
}

impl Absent {
    /// Both.
    pub const ALL: [Absent; 2] = [Absent::Hide, Absent::Stay];

    /// Reads `hide` or `stay`.
    pub fn parse(text: &str) -> Option<Absent> {
        Absent::ALL.into_iter().find(|absent| text == absent.as_str())
    }

    /// `hide` or `stay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Absent::Hide => "hide",
            Absent::Stay => "stay",
        }
    }
}
