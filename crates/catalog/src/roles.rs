//! The roles there are: two superusers, and PostgreSQL's predefined ones, which own `public` or are asked about.

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// Its oid.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// It may log in and do everything.
    pub superuser: bool,
}

/// All roles, by oid.
pub const ROLES: &[Role] = &[
    superuser(10, "postgres"),
    predefined(3373, "pg_monitor"),
    predefined(3374, "pg_read_all_settings"),
    predefined(3375, "pg_read_all_stats"),
    predefined(3377, "pg_stat_scan_tables"),
    predefined(4200, "pg_signal_backend"),
    predefined(4544, "pg_checkpoint"),
    predefined(4569, "pg_read_server_files"),
    predefined(4570, "pg_write_server_files"),
    predefined(4571, "pg_execute_server_program"),
    predefined(6171, "pg_database_owner"),
    predefined(6181, "pg_read_all_data"),
    predefined(6182, "pg_write_all_data"),
    superuser(16000, "root"),
];

const fn superuser(id: u32, name: &'static str) -> Role {
    Role { id, name, superuser: true }
}

const fn predefined(id: u32, name: &'static str) -> Role {
    Role { id, name, superuser: false }
}

/// The role of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

/// The role of this oid.
#[must_use]
pub fn by_id(id: u32) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.id == id)
}

/// The oid of an object's owner.
pub(crate) fn owner_id(name: &str) -> u32 {
    by_name(name).map_or(ROLES[0].id, |role| role.id)
}
