//! The headings of Collaborator's CSV, which say what its columns are.
//!
//! ```text
//! ID;Last name;First name;Middle name;Login;Email          the words are any: a column is what its position says
//! uid;secondname;firstname;login;position                  the first cell is exactly uid: a column is what its name says
//! ```

use std::collections::HashMap;

/// The columns in the order of their positions.
const POSITIONS: [&str; 29] = [
    "uid",
    "secondname",
    "firstname",
    "patronymic",
    "login",
    "email",
    "password",
    "birth_date",
    "gender",
    "city",
    "department",
    "position",
    "tags",
    "phone",
    "status",
    "date_of_employment",
    "google_id",
    "work_contact",
    "date_of_assignment_current_position",
    "structure_uid",
    "user_field1",
    "user_field2",
    "user_field3",
    "customInfo",
    "language",
    "user_field4",
    "user_field5",
    "role_id",
    "manager_uid",
];

/// What headers call these columns, in English, Russian and Ukrainian: lower case, without what is in brackets. A heading that could
/// as well mean another column is not among them.
const WORDS: [(&str, &[&str]); 26] = [
    ("uid", &["id", "ид", "ід"]),
    ("secondname", &["last name", "surname", "фамилия", "прізвище"]),
    ("firstname", &["first name", "имя", "ім'я"]),
    ("patronymic", &["middle name", "отчество", "по батькові"]),
    ("login", &["логин", "логін"]),
    ("email", &["e-mail", "почта", "эл. почта", "пошта"]),
    ("password", &["пароль"]),
    ("birth_date", &["birthdate", "birth date", "date of birth", "дата рождения", "дата народження"]),
    ("gender", &["пол", "стать"]),
    ("city", &["город", "місто"]),
    ("department", &["подразделение", "підрозділ"]),
    ("position", &["должность", "посада"]),
    ("tags", &["теги", "метки", "мітки"]),
    ("phone", &["телефон"]),
    ("status", &["статус"]),
    ("date_of_employment", &["employment date", "hire date", "дата приема на работу", "дата прийому на роботу"]),
    ("google_id", &["google id"]),
    ("work_contact", &["work contacts", "wotk contacts", "рабочие контакты", "робочі контакти"]),
    ("date_of_assignment_current_position", &["date of current position assignment"]),
    ("structure_uid", &["department code", "код подразделения", "код підрозділу"]),
    ("user_field1", &["additional field 1", "adittional field 1", "дополнительное поле 1"]),
    ("user_field2", &["additional field 2", "adittional field 2", "дополнительное поле 2"]),
    ("user_field3", &["additional field 3", "adittional field 3", "дополнительное поле 3"]),
    ("language", &["interface language", "язык интерфейса", "мова інтерфейсу"]),
    ("user_field4", &["additional field 4", "adittional field 4", "дополнительное поле 4"]),
    ("user_field5", &["additional field 5", "adittional field 5", "дополнительное поле 5"]),
];

/// The columns in which no cell may be empty.
pub const REQUIRED: [&str; 4] = ["uid", "secondname", "firstname", "login"];

/// The first headings of the CSVs that the system's own documents and tools send, with which a file shows that it is one.
const KNOWN_HEADINGS: [[&str; 5]; 2] =
    [["ID", "Last name", "First name", "Middle name", "Login"], ["ИД", "Фамилия", "Имя", "Отчество", "Логин"]];

/// How the columns of a CSV are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBy {
    /// By their position; the header's words are for people.
    Position,
    /// By the names in the header, which begins with `uid`.
    Name,
}

impl KnownBy {
    /// `position` or `name`.
    pub fn as_str(self) -> &'static str {
        match self {
            KnownBy::Position => "position",
            KnownBy::Name => "name",
        }
    }
}

/// The columns of a CSV, as its header says.
#[derive(Debug)]
pub struct Columns {
    /// How they are known.
    pub known_by: KnownBy,
    /// Their names, by position; empty for a column without a name, whose cells mean nothing.
    pub names: Vec<String>,
}

impl Columns {
    /// Reads a header. The error says what is wrong with it, and quotes nothing of it: a file without a header begins with a person.
    pub fn of(header: Vec<String>) -> Result<Columns, String> {
        if header.first().is_some_and(|cell| cell == "uid") {
            return Ok(Columns { known_by: KnownBy::Name, names: named(header)? });
        }
        Ok(Columns { known_by: KnownBy::Position, names: positions(&header)? })
    }
}

/// Whether a header shows that the file is one of Collaborator's: it begins with `uid` exactly, or with the headings of the system's own
/// documents.
pub fn is_collaborators(header: &[String]) -> bool {
    let begins_with = |known: &[&str; 5]| {
        header.len() >= known.len() && header.iter().zip(known).all(|(cell, known)| is_same_word(cell, known))
    };
    (header.len() > 1 && header[0] == "uid") || KNOWN_HEADINGS.iter().any(begins_with)
}

fn is_same_word(a: &str, b: &str) -> bool {
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// Checks a header that names its columns.
fn named(header: Vec<String>) -> Result<Vec<String>, String> {
    let mut seen = HashMap::new();
    for (position, column) in header.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
        if let Some(other) = seen.insert(column.to_ascii_lowercase(), position) {
            return Err(format!("columns {} and {} of the header have the same name", other + 1, position + 1));
        }
    }
    match REQUIRED.iter().find(|required| !seen.contains_key(**required)) {
        Some(missing) => Err(format!("the header names no column {missing}; {} are required", REQUIRED.join(", "))),
        None => Ok(header),
    }
}

/// Checks that the words of a header do not say that its columns are others than their positions say.
fn positions(header: &[String]) -> Result<Vec<String>, String> {
    const OR_NAMES: &str = "or name the columns in a header that begins with uid";
    if let Some((position, what)) = header.iter().enumerate().find_map(|(at, cell)| Some((at, value(cell)?))) {
        return Err(format!(
            "the first row must be a header, and its column {} holds {what}; put a header before the users, such as \
             ID;Last name;First name;Middle name;Login;…",
            position + 1
        ));
    }
    let count = header.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    if count > POSITIONS.len() {
        let max = POSITIONS.len();
        return Err(format!(
            "the header has {count} columns, and Collaborator's list has {max}; remove those behind it, {OR_NAMES}"
        ));
    }
    if count < 5 {
        return Err(format!(
            "the header has {count} columns; the columns are known by their position, and the first five must be \
             {}; put them so, {OR_NAMES}",
            POSITIONS[..5].join(", ")
        ));
    }
    for (position, cell) in header.iter().enumerate() {
        if let Some((named, word)) = known_word(cell).filter(|(named, _)| *named != position) {
            let by_position = POSITIONS.get(position).unwrap_or(&"none");
            return Err(format!(
                "column {} of the header is called {word}, and by its position it is {by_position}; move it to position {}, {OR_NAMES}",
                position + 1,
                named + 1
            ));
        }
    }
    Ok(POSITIONS[..header.len().min(POSITIONS.len())].iter().map(|name| (*name).to_owned()).collect())
}

/// The position whose column a heading is known to mean, and the word, as it is listed here.
fn known_word(heading: &str) -> Option<(usize, &'static str)> {
    let heading = heading.split('(').next().unwrap_or_default().replace(['’', '`'], "'").to_lowercase();
    let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
    let position = |wire: &str| POSITIONS.iter().position(|name| *name == wire);
    if let Some(at) = POSITIONS.iter().position(|name| name.eq_ignore_ascii_case(&heading)) {
        return Some((at, POSITIONS[at]));
    }
    WORDS.iter().find_map(|(wire, words)| Some((position(wire)?, *words.iter().find(|word| **word == heading)?)))
}

/// What a cell of the first row is if it can be no heading but only a value of a person. Without a header the first person would be
/// taken for it, and be missing from the list.
fn value(cell: &str) -> Option<&'static str> {
    let is_number = cell.contains(|c: char| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || " +-./()".contains(c));
    let is_word = !cell.contains(|c: char| c.is_whitespace() || "()<>".contains(c));
    let is_address = is_word && cell.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if is_address { Some("an e-mail address") } else { is_number.then_some("a number or a date") }
}
