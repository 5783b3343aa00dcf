//! What a key may do.
//!
//! ```
//! use rollcall::role::{Role, Roles};
//!
//! let roles = Roles::of([Role::Read, Role::Push]);
//! assert!(roles.has(Role::Push) && !roles.has(Role::Release));
//! assert_eq!(roles.to_string(), "push, read");
//! assert_eq!(Roles::parse("push, read"), Some(roles));
//! ```

use std::fmt;

/// Something that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Push employees.
    Push,
    /// Read what is stored.
    Read,
    /// Apply or discard a push that was held back, erase an employee: what no push can do.
    Release,
    /// Learn who changes, without any value. Who may read may do that, too.
    Follow,
    /// Publish profiles.
    Administer,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [Role::Push, Role::Read, Role::Release, Role::Follow, Role::Administer];

    /// The name that commands and lists have for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Push => "push",
            Role::Read => "read",
            Role::Release => "release",
            Role::Follow => "follow",
            Role::Administer => "administer",
        }
    }

    /// Returns the role of a name, or `None` if it is no role's.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The roles of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    push: bool,
    read: bool,
    release: bool,
    follow: bool,
    administer: bool,
}

impl Roles {
    /// What a key may do that was added without roles: everything to do with people. Keys of versions that had no [`Role::Administer`] do not
    /// get it.
    pub const USUAL: Roles = Roles { push: true, read: true, release: true, follow: true, administer: false };

    /// Returns the set of these roles.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Roles {
        let mut set = Roles { push: false, read: false, release: false, follow: false, administer: false };
        for role in roles {
            match role {
                Role::Push => set.push = true,
                Role::Read => set.read = true,
                Role::Release => set.release = true,
                Role::Follow => set.follow = true,
                Role::Administer => set.administer = true,
            }
        }
        set
    }

    /// Returns whether they let a key do what a role is for.
    pub fn has(self, role: Role) -> bool {
        self.names(role) || (role == Role::Follow && self.read)
    }

    /// Returns whether a role is among them.
    fn names(self, role: Role) -> bool {
        match role {
            Role::Push => self.push,
            Role::Read => self.read,
            Role::Release => self.release,
            Role::Follow => self.follow,
            Role::Administer => self.administer,
        }
    }

    /// The roles, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.names(*role))
    }

    /// Reads what [`Roles`] displays, or returns `None` if it is something else.
    pub fn parse(text: &str) -> Option<Roles> {
        text.split(',').map(|name| Role::parse(name.trim())).collect::<Option<Vec<Role>>>().map(Roles::of)
    }
}

/// What a person who signs in may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRole {
    /// Look at everything.
    Read,
    /// Let a push that was held back through, discard it, undo a sync.
    Release,
    /// Push a file, and change what is set.
    Administrator,
}

impl UserRole {
    /// All of them.
    pub const ALL: [UserRole; 3] = [UserRole::Read, UserRole::Release, UserRole::Administrator];

    /// The name that commands and the page have for it.
    pub fn name(self) -> &'static str {
        match self {
            UserRole::Read => "read",
            UserRole::Release => "release",
            UserRole::Administrator => "administrator",
        }
    }

    /// Returns the role of a name, or `None` if it is no role's.
    pub fn parse(name: &str) -> Option<UserRole> {
        UserRole::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What a key would need to do the same.
    pub fn roles(self) -> Roles {
        match self {
            UserRole::Read => Roles::of([Role::Read]),
            UserRole::Release => Roles::of([Role::Read, Role::Release]),
            UserRole::Administrator => Roles::of(Role::ALL),
        }
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Role::name).collect::<Vec<_>>().join(", "))
    }
}
