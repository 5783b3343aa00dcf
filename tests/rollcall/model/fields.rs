//! The fields of the model's people: what each dialect calls them, and how a value may be written.

/// The position of a field in [`FIELDS`].
pub type Field = usize;

pub const FIRST: Field = 0;
pub const LAST: Field = 1;
pub const EMAIL: Field = 2;
pub const BADGE: Field = 3;
pub const LOGIN: Field = 4;
pub const POSITION: Field = 5;
pub const BORN: Field = 6;
pub const LEVEL: Field = 7;
pub const SHIFT: Field = 8;
pub const MANAGER: Field = 9;
pub const MENTOR: Field = 10;
pub const BOSS: Field = 11;

/// A field: its name, and what Springest, Collaborator and EchoSpan call it.
pub struct Named {
    pub name: &'static str,
    pub springest: Option<&'static str>,
    pub collaborator: Option<&'static str>,
    pub echospan: Option<&'static str>,
    rules: &'static str,
}

macro_rules! fields {
    ($($name:literal, $springest:expr, $collaborator:expr, $echospan:expr, $rules:literal;)*) => {
        [$(Named { name: $name, springest: $springest, collaborator: $collaborator, echospan: $echospan, rules: $rules }),*]
    };
}

#[rustfmt::skip]
pub const FIELDS: [Named; 12] = fields![
    "First", Some("first_name"), Some("firstname"), Some("Fname"), "type = \"text\"\nrequired = true\nmax_length = 8";
    "Last", Some("last_name"), Some("secondname"), Some("Lname"), "type = \"text\"";
    "Email", Some("email"), Some("email"), Some("Email"), "type = \"email\"\nunique = \"active\"";
    "Badge", None, Some("google_id"), None, "type = \"text\"\nunique = true";
    "Login", None, Some("login"), None, "type = \"text\"";
    "Position", Some("job_title"), Some("position"), Some("Title"), "type = \"text\"";
    "Born", Some("birthdate"), Some("birth_date"), Some("StartDate"), "type = \"date\"\nformats = [\"yyyy-mm-dd\", \"dd.mm.yyyy\"]";
    "Level", Some("cost_center"), Some("user_field1"), Some("Phone"), "type = \"number\"\ninteger = true\nmin = 0\nmax = 9";
    "Shift", Some("city"), Some("city"), Some("Department"), "type = \"choice\"\noptions = [{ value = \"early\", also = [\"e\"] }, \"late\", \"night\"]";
    "Manager", None, Some("manager_uid"), Some("ManagerEmpIDNumber"), "type = \"reference\"\nto = \"id\"\nacyclic = true";
    "Mentor", None, Some("work_contact"), None, "type = \"reference\"\nto = \"Email\"\nactive = true";
    "Boss", None, None, Some("IsManager"), "type = \"boolean\"";
];

/// The longest value of the field First.
const FIRST_CHARS_MAX: usize = 8;

/// The profile of the model's people, as a file.
pub fn profile(settings: &str) -> String {
    let mut profile = format!("id = \"{}\"\nname = \"Modelled\"\n{settings}\n", crate::world::PROFILE);
    for Named { name, springest, collaborator, echospan, rules } in &FIELDS {
        let wire = [("springest", springest), ("collaborator", collaborator), ("echospan", echospan)];
        let wire = wire.iter().filter_map(|(dialect, name)| Some(format!("{dialect} = \"{}\"", (**name)?)));
        let wire = wire.collect::<Vec<_>>().join(", ");
        profile += &format!("[[field]]\nname = \"{name}\"\n{rules}\nwire = {{ {wire} }}\n");
    }
    profile
}

/// Brings a value to the form in which it is stored; `None` if it is empty. The error says that it breaks a rule.
pub fn canonical(field: Field, value: &str) -> Result<Option<String>, ()> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(None);
    }
    let stored = match field {
        FIRST if value.chars().count() > FIRST_CHARS_MAX => return Err(()),
        EMAIL | MENTOR if !value.contains('@') => return Err(()),
        EMAIL | MENTOR => value.to_lowercase(),
        BORN => match value.split('.').collect::<Vec<_>>()[..] {
            [day, month, year] => format!("{year}-{month}-{day}"),
            _ if value.split('-').count() == 3 => value.into(),
            _ => return Err(()),
        },
        LEVEL => match value.parse::<f64>() {
            Ok(level) if (0.0..=9.0).contains(&level) && level.fract() == 0.0 => format!("{level:.0}"),
            _ => return Err(()),
        },
        SHIFT => match &*value.to_lowercase() {
            "e" | "early" => "early".into(),
            other @ ("late" | "night") => other.into(),
            _ => return Err(()),
        },
        BOSS => match value {
            "1" | "true" => "true".into(),
            "0" | "false" => "false".into(),
            _ => return Err(()),
        },
        _ => value.into(),
    };
    Ok(Some(stored))
}
