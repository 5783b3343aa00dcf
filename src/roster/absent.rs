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

    /// Reads `hide`, `stay`, or `keep`, which means the same as `stay`.
    pub fn parse(text: &str) -> Option<Absent> {
        match text {
            "keep" => Some(Absent::Stay),
            _ => Absent::ALL.into_iter().find(|absent| text == absent.as_str()),
        }
    }

    /// `hide` or `stay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Absent::Hide => "hide",
            Absent::Stay => "stay",
        }
    }
}

/// Whom a push carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Some employees. The others stay as they are.
    Some,
    /// Everybody.
    Everybody {
        /// What is said about the absent, by the push or by the operator for its dialect; `None` leaves it to the profile.
        absent: Option<Absent>,
        /// What becomes of the absent if nobody says anything.
        otherwise: Absent,
        /// Whether the absent may be hidden even if the push carries nobody.
        may_be_empty: bool,
    },
}

impl Coverage {
    /// Everybody. The absent stay as they are, whatever the profile says.
    pub const STAY: Coverage =
        Coverage::Everybody { absent: Some(Absent::Stay), otherwise: Absent::Stay, may_be_empty: false };

    /// Whether the push carries everybody.
    pub fn is_everybody(self) -> bool {
        matches!(self, Coverage::Everybody { .. })
    }

    /// Returns whether the absent are hidden by a push of so many employees, under a profile that says this about them.
    pub fn hides(self, profile: Option<Absent>, employees: u64) -> bool {
        match self {
            Coverage::Some => false,
            Coverage::Everybody { absent, otherwise, may_be_empty } => {
                let says_hide = absent.or(profile).unwrap_or(otherwise) == Absent::Hide;
                says_hide && (employees > 0 || may_be_empty)
            }
        }
    }
}

/// What a push says about who is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences {
    /// The numbers of employees who are not missing any more.
    pub ended: Vec<u32>,
    /// Who is missing.
    pub noted: Vec<Missing>,
}

impl Absences {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.noted.is_empty()
    }
}

/// An employee whom pushes that hide the absent have not carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The employee's number.
    pub number: u32,
    /// How many such pushes in a row.
    pub pushes: u32,
    /// Whether the last of them has hidden the employee.
    pub is_hidden: bool,
}
