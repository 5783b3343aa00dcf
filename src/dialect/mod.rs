//! The wire formats of a push, a file each: how their bytes become employees, and counts their answer.

pub mod collaborator;
pub mod echospan;
pub mod springest;
pub mod startexam;

/// A system whose import API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// StartExam's Sync Employees: the whole roster.
    StartExam,
    /// Springest Go's users.json: one employee.
    Springest,
    /// LMS Collaborator's users-import: one, several, or a CSV of all.
    Collaborator,
    /// EchoSpan's employee import: one command a request, applied by another.
    EchoSpan,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::StartExam, Dialect::Springest, Dialect::Collaborator, Dialect::EchoSpan];

    /// The name that profiles, keys and commands have for it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::StartExam => "startexam",
            Dialect::Springest => "springest",
            Dialect::Collaborator => "collaborator",
            Dialect::EchoSpan => "echospan",
        }
    }

    /// The dialect of a name.
    pub fn parse(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// What its documents call the fields that a profile can have, beside the employee's id and status. StartExam has none of
    /// its own: there a field is called as the profile calls it.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Dialect::StartExam => &[],
            Dialect::Springest => &[
                "email",
                "gender",
                "first_name",
                "last_name",
                "phone_number",
                "birthdate",
                "birthplace",
                "company_name",
                "address",
                "house_number",
                "zip_code",
                "city",
                "country",
                "job_title",
                "department_name",
                "business_unit",
                "cost_center",
                "cost_center_name",
                "approvers",
                "tags",
                "employment_start_date",
                "employment_end_date",
            ],
            Dialect::Collaborator => &[
                "secondname",
                "firstname",
                "patronymic",
                "login",
                "email",
                "birth_date",
                "gender",
                "city",
                "department",
                "position",
                "tags",
                "phone",
                "facebook_id",
                "google_id",
                "date_of_employment",
                "work_contact",
                "date_of_assignment_current_position",
                "structure_uid",
                "user_field1",
                "user_field2",
                "user_field3",
                "user_field4",
                "user_field5",
                "customInfo",
                "language",
                "manager_id",
                "manager_uid",
                "role_id",
                collaborator::PHOTO,
            ],
            Dialect::EchoSpan => &[
                "Fname",
                "Lname",
                "Email",
                "Title",
                "Phone",
                "Department",
                "StartDate",
                "IsManager",
                "ManagerEmpIDNumber",
            ],
        }
    }

    /// Those of its fields that a profile must have for the dialect to be served.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Dialect::StartExam => &[],
            Dialect::Springest => &["email"],
            Dialect::Collaborator => &["login", "email", "firstname", "secondname", "position"],
            Dialect::EchoSpan => &["Fname", "Lname", "Email"],
        }
    }
}
