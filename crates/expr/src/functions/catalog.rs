//! Functions that read the catalog. What they compute is the catalog's business; here are their signatures.

use crate::registry::{Entry, Kernel, function};

/// A strict, stable function of the catalog.
const fn entry(name: &'static str, args: &'static str, result: &'static str) -> Entry {
    function(name, args, result, Kernel::Catalog).stable().fallible()
}

/// The forms of `has_…_privilege`: of a user or the current one, the object by oid or by name.
macro_rules! privilege {
    ($name:literal) => {
        [
            entry($name, "name,text,text", "bool"),
            entry($name, "name,oid,text", "bool"),
            entry($name, "oid,text,text", "bool"),
            entry($name, "oid,oid,text", "bool"),
            entry($name, "text,text", "bool"),
            entry($name, "oid,text", "bool"),
        ]
    };
}

const PRIVILEGES: [[Entry; 6]; 11] = [
    privilege!("has_table_privilege"),
    privilege!("has_sequence_privilege"),
    privilege!("has_any_column_privilege"),
    privilege!("has_database_privilege"),
    privilege!("has_function_privilege"),
    privilege!("has_language_privilege"),
    privilege!("has_schema_privilege"),
    privilege!("has_tablespace_privilege"),
    privilege!("has_server_privilege"),
    privilege!("has_foreign_data_wrapper_privilege"),
    privilege!("has_type_privilege"),
];

const VISIBLE: &[Entry] = &[
    entry("pg_table_is_visible", "oid", "bool"),
    entry("pg_type_is_visible", "oid", "bool"),
    entry("pg_function_is_visible", "oid", "bool"),
    entry("pg_operator_is_visible", "oid", "bool"),
    entry("pg_opclass_is_visible", "oid", "bool"),
    entry("pg_opfamily_is_visible", "oid", "bool"),
    entry("pg_collation_is_visible", "oid", "bool"),
    entry("pg_conversion_is_visible", "oid", "bool"),
    entry("pg_statistics_obj_is_visible", "oid", "bool"),
    entry("pg_ts_config_is_visible", "oid", "bool"),
    entry("pg_ts_dict_is_visible", "oid", "bool"),
    entry("pg_ts_parser_is_visible", "oid", "bool"),
    entry("pg_ts_template_is_visible", "oid", "bool"),
];

const FUNCTIONS: &[Entry] = &[
    entry("format_type", "oid,int4", "text").lax(),
    entry("pg_get_viewdef", "oid", "text"),
    entry("pg_get_viewdef", "oid,bool", "text"),
    entry("pg_get_viewdef", "oid,int4", "text"),
    entry("pg_get_viewdef", "text", "text"),
    entry("pg_get_viewdef", "text,bool", "text"),
    entry("pg_get_expr", "pg_node_tree,oid", "text"),
    entry("pg_get_expr", "pg_node_tree,oid,bool", "text"),
    entry("pg_get_indexdef", "oid", "text"),
    entry("pg_get_indexdef", "oid,int4,bool", "text"),
    entry("pg_get_constraintdef", "oid", "text"),
    entry("pg_get_constraintdef", "oid,bool", "text"),
    entry("pg_get_userbyid", "oid", "name"),
    entry("pg_get_function_result", "oid", "text"),
    entry("pg_get_function_arguments", "oid", "text"),
    entry("pg_get_function_identity_arguments", "oid", "text"),
    entry("pg_get_function_arg_default", "oid,int4", "text"),
    entry("pg_get_function_sqlbody", "oid", "text"),
    entry("pg_get_functiondef", "oid", "text"),
    entry("pg_get_triggerdef", "oid", "text"),
    entry("pg_get_triggerdef", "oid,bool", "text"),
    entry("pg_get_ruledef", "oid", "text"),
    entry("pg_get_ruledef", "oid,bool", "text"),
    entry("pg_get_partkeydef", "oid", "text"),
    entry("pg_get_partition_constraintdef", "oid", "text"),
    entry("pg_get_serial_sequence", "text,text", "text"),
    entry("pg_get_statisticsobjdef", "oid", "text"),
    entry("pg_get_statisticsobjdef_columns", "oid", "text"),
    entry("obj_description", "oid", "text"),
    entry("obj_description", "oid,name", "text"),
    entry("col_description", "oid,int4", "text"),
    entry("shobj_description", "oid,name", "text"),
    entry("pg_relation_is_publishable", "regclass", "bool"),
    entry("pg_relation_is_updatable", "regclass,bool", "int4"),
    entry("pg_column_is_updatable", "regclass,int2,bool", "bool"),
    entry("pg_relation_filenode", "regclass", "oid"),
    entry("pg_table_size", "regclass", "int8").volatile(),
    entry("pg_indexes_size", "regclass", "int8").volatile(),
    entry("pg_relation_size", "regclass", "int8").volatile(),
    entry("pg_relation_size", "regclass,text", "int8").volatile(),
    entry("pg_total_relation_size", "regclass", "int8").volatile(),
    entry("pg_database_size", "oid", "int8").volatile(),
    entry("pg_database_size", "name", "int8").volatile(),
    entry("pg_tablespace_size", "oid", "int8").volatile(),
    entry("pg_tablespace_size", "name", "int8").volatile(),
    entry("pg_tablespace_location", "oid", "text"),
    entry("pg_encoding_to_char", "int4", "name"),
    entry("pg_char_to_encoding", "name", "int4"),
    entry("getdatabaseencoding", "", "name"),
    entry("has_column_privilege", "text,text,text", "bool"),
    entry("has_column_privilege", "oid,text,text", "bool"),
    entry("has_column_privilege", "oid,int2,text", "bool"),
    entry("has_column_privilege", "text,int2,text", "bool"),
    entry("has_column_privilege", "name,text,text,text", "bool"),
    entry("has_column_privilege", "name,oid,text,text", "bool"),
    entry("pg_has_role", "name,name,text", "bool"),
    entry("pg_has_role", "name,oid,text", "bool"),
    entry("pg_has_role", "oid,name,text", "bool"),
    entry("pg_has_role", "oid,oid,text", "bool"),
    entry("pg_has_role", "name,text", "bool"),
    entry("pg_has_role", "oid,text", "bool"),
    entry("row_security_active", "oid", "bool"),
    entry("row_security_active", "text", "bool"),
    entry("current_schema", "", "name"),
    entry("current_schemas", "bool", "_name"),
    entry("version", "", "text"),
    entry("current_setting", "text", "text"),
    entry("current_setting", "text,bool", "text"),
    entry("set_config", "text,text,bool", "text").lax().volatile(),
    entry("pg_backend_pid", "", "int4"),
    entry("pg_cancel_backend", "int4", "bool").volatile(),
    entry("pg_terminate_backend", "int4", "bool").volatile(),
    entry("pg_is_in_recovery", "", "bool").volatile(),
    entry("pg_postmaster_start_time", "", "timestamptz"),
    entry("pg_conf_load_time", "", "timestamptz"),
    entry("txid_current", "", "int8"),
    entry("pg_my_temp_schema", "", "oid"),
    entry("pg_is_other_temp_schema", "oid", "bool"),
    entry("pg_stat_get_numscans", "oid", "int8"),
    entry("to_regclass", "text", "regclass"),
    entry("to_regtype", "text", "regtype"),
    entry("to_regproc", "text", "regproc"),
    entry("to_regprocedure", "text", "regprocedure"),
    entry("to_regnamespace", "text", "regnamespace"),
    entry("to_regrole", "text", "regrole"),
    entry("to_regoper", "text", "regoper"),
    entry("to_regcollation", "text", "regcollation"),
    // PostgreSQL's return inet, which prints as this text does.
    entry("inet_client_addr", "", "text"),
    entry("inet_server_addr", "", "text"),
    entry("inet_client_port", "", "int4"),
    entry("inet_server_port", "", "int4"),
];

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let privileges = PRIVILEGES.into_iter().flatten();
    privileges.chain(VISIBLE.iter().chain(FUNCTIONS).copied())
}
