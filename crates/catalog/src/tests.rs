//! The catalog of the tutorial, and what clients see of it.

use crate::system::{data, system_relations};
use crate::*;
use headwater_expr::CatalogLookup;
use headwater_types::{DataType, Datum, Field, RegKind, RelationId, Result, SessionSettings, SqlState};
use std::collections::{BTreeMap, BTreeSet};

fn table(catalog: &Catalog, name: &str, columns: &[(&str, DataType)], key: bool) -> Table {
    let mut ids = catalog.ids();
    let mut columns: Vec<TableColumn> =
        columns.iter().map(|(name, data_type)| TableColumn::new(*name, data_type.clone())).collect();
    columns[0].not_null = key;
    let primary_key = if key { 0 } else { columns.len() };
    if !key {
        columns.push(TableColumn::row_id());
    }
    Table {
        id: ids.next_id(),
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns,
        primary_key: vec![primary_key],
        hidden_key: !key,
        primary_key_name: key.then(|| format!("{name}_pkey")),
        primary_key_index: ids.next_id(),
        on_conflict: OnConflict::Overwrite,
        checks: Vec::new(),
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        owner: "root".to_owned(),
        comment: None,
        column_comments: BTreeMap::new(),
    }
}

fn create_table(catalog: &Catalog, name: &str, columns: &[(&str, DataType)], key: bool) -> Catalog {
    let table = table(catalog, name, columns, key);
    catalog.apply(&CatalogChange::CreateTable(table)).expect("the name is free")
}

fn create_view(catalog: &Catalog, name: &str, on: &[&str], materialized: bool) -> Catalog {
    let id = catalog.ids().next_id();
    let find = |name: &&str| catalog.resolve(None, name, &path()).expect("it was made before").id();
    let depends_on = on.iter().map(find).collect();
    let (schema, name, columns) = ("public".to_owned(), name.to_owned(), vec![Field::new("n", DataType::Int8)]);
    let (sql, settings, owner) = ("SELECT 1 AS n".to_owned(), SessionSettings::default(), "root".to_owned());
    let (comment, column_comments) = (None, BTreeMap::new());
    let change = if materialized {
        CatalogChange::CreateMaterializedView(MaterializedView {
            id,
            schema,
            name,
            columns,
            sql,
            depends_on,
            settings,
            owner,
            comment,
            column_comments,
            shared: Vec::new(),
            groupings: Vec::new(),
            plan: Vec::new(),
            key: None,
        })
    } else {
        CatalogChange::CreateView(View {
            id,
            schema,
            name,
            columns,
            sql,
            depends_on,
            settings,
            owner,
            comment,
            column_comments,
        })
    };
    catalog.apply(&change).expect("the name is free")
}

fn path() -> Vec<String> {
    vec!["$user".to_owned(), "public".to_owned()]
}

fn tutorial() -> Catalog {
    let varchar = DataType::Varchar(None);
    let catalog = create_table(
        &Catalog::new(),
        "marketing_events",
        &[
            ("event_id", varchar.clone()),
            ("user_id", DataType::Int4),
            ("amount", DataType::Numeric(Some((10, 2)))),
            ("timestamp", DataType::Timestamptz),
        ],
        true,
    );
    let catalog = create_table(&catalog, "campaigns", &[("campaign_id", varchar.clone()), ("name", varchar)], true);
    let catalog = create_view(&catalog, "campaign_performance", &["marketing_events", "campaigns"], true);
    create_view(&catalog, "channel_attribution", &["marketing_events"], true)
}

fn id(catalog: &Catalog, name: &str) -> RelationId {
    catalog.resolve(None, name, &path()).expect("it exists").id()
}

/// A session that nothing happens to.
struct Idle;

impl SessionControl for Idle {
    fn check_interrupt(&self) -> Result<()> {
        Ok(())
    }
    fn set_config(&self, _: &Parameters, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        Ok(format!("{name}={value:?} {local}"))
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn signal(&self, pid: i32, _: bool) -> bool {
        pid == 1
    }
    fn transaction_id(&self) -> i64 {
        7
    }
}

impl RelationSizes for Idle {
    fn row_count(&self, _: RelationId) -> u64 {
        7
    }
    fn byte_count(&self, _: RelationId) -> u64 {
        9000
    }
    fn memory(&self, _: RelationId) -> Option<MemoryInfo> {
        Some(MemoryInfo { columns: vec![10, 20], dead: 3, index: 40 })
    }
}

/// Calls `test` with the functions over `catalog`.
fn with_functions<T>(catalog: &Catalog, test: impl FnOnce(&CatalogFunctions<'_>, &SessionSettings) -> T) -> T {
    let parameters = Parameters::new("root", "dev");
    let context = SystemContext {
        settings: parameters.settings(),
        parameters: &parameters,
        sessions: &[],
        builds: &[],
        backend_pid: 1,
        server_start_micros: 0,
        sizes: &Idle,
        operators: &[],
        control: &Idle,
    };
    test(&CatalogFunctions { catalog, context }, parameters.settings())
}

/// One column of a system relation where another has a value.
fn select(catalog: &Catalog, relation: &str, column: &str, key: &str, value: &Datum) -> Vec<Datum> {
    with_functions(catalog, |functions, _| {
        let relation = match catalog.resolve(None, relation, &[]) {
            Some(RelationRef::System(relation)) => relation,
            other => panic!("{relation} is {other:?}"),
        };
        let (column, key) = (relation.column(column), relation.column(key));
        let rows = relation.rows(catalog, &functions.context);
        rows.into_iter().filter(|row| row[key] == *value).map(|row| row[column].clone()).collect()
    })
}

#[test]
fn ids_are_never_used_again_and_replay_gives_the_same_catalog() {
    let catalog = tutorial();
    let events = id(&catalog, "marketing_events");
    assert_eq!(events, RelationId::FIRST_USER);
    let next = catalog.ids().next_id();
    let dropped =
        catalog.drop_plan(&[id(&catalog, "channel_attribution")], false, &path()).expect("nothing depends on it");
    let catalog = catalog.apply(&CatalogChange::Drop { ids: dropped.ids }).expect("it exists");
    assert_eq!(catalog.ids().next_id(), next);
    assert_eq!(catalog.version(), 5);
    assert!(catalog.resolve(None, "channel_attribution", &path()).is_none());
}

#[test]
fn names_of_relations_and_indexes_share_a_schema() {
    let catalog = tutorial();
    let again =
        catalog.apply(&CatalogChange::CreateTable(table(&catalog, "campaigns", &[("a", DataType::Int4)], false)));
    let error = again.expect_err("the name is taken");
    assert_eq!((error.state, &*error.message), (SqlState::DuplicateTable, "relation \"campaigns\" already exists"));
    let index = table(&catalog, "campaigns_pkey", &[("a", DataType::Int4)], false);
    assert!(catalog.apply(&CatalogChange::CreateTable(index)).is_err());
    assert_eq!(catalog.choose_name("public", "campaigns", "pkey", &[]), "campaigns_pkey1");
    let mut elsewhere = table(&catalog, "t", &[("a", DataType::Int4)], false);
    elsewhere.schema = "nope".to_owned();
    let error = catalog.apply(&CatalogChange::CreateTable(elsewhere)).expect_err("there is no such schema");
    assert_eq!(error.state, SqlState::InvalidSchemaName);
}

#[test]
fn drop_reports_dependents_as_postgresql_does() {
    let catalog = create_view(&tutorial(), "top", &["campaign_performance"], false);
    let events = id(&catalog, "marketing_events");
    let error = catalog.drop_plan(&[events], false, &path()).expect_err("views depend on it");
    assert_eq!(error.state, SqlState::DependentObjectsStillExist);
    assert_eq!(error.message, "cannot drop table marketing_events because other objects depend on it");
    assert_eq!(
        error.detail.as_deref(),
        Some(
            "materialized view campaign_performance depends on table marketing_events\n\
             view top depends on materialized view campaign_performance\n\
             materialized view channel_attribution depends on table marketing_events"
        )
    );
    assert_eq!(error.hint.as_deref(), Some("Use DROP ... CASCADE to drop the dependent objects too."));
    let plan = catalog.drop_plan(&[events], true, &path()).expect("cascade");
    let (message, detail) = plan.notice.clone().expect("three go with it");
    assert_eq!(message, "drop cascades to 3 other objects");
    assert_eq!(
        detail.as_deref(),
        Some(
            "drop cascades to materialized view campaign_performance\n\
             drop cascades to view top\n\
             drop cascades to materialized view channel_attribution"
        )
    );
    let after = catalog.apply(&CatalogChange::Drop { ids: plan.ids }).expect("all of them exist");
    assert_eq!(after.relations().count(), 1);
    let both = [events, id(&catalog, "campaigns")];
    let error = catalog.drop_plan(&both, false, &path()).expect_err("views depend on them");
    assert_eq!(error.message, "cannot drop desired object(s) because other objects depend on them");
}

#[test]
fn a_view_is_not_replaced_by_one_over_itself_nor_below_a_materialized_one() {
    let catalog = create_view(&tutorial(), "low", &["campaigns"], false);
    let catalog = create_view(&catalog, "high", &["low"], false);
    let Some(RelationRef::View(low)) = catalog.resolve(None, "low", &path()) else { panic!("it is a view") };
    let commented = CatalogChange::Comment { object: low.id, column: None, text: Some("the low one".to_owned()) };
    let catalog = catalog.apply(&commented).expect("it exists");
    let replace = |catalog: &Catalog, on: &str| {
        catalog.apply(&CatalogChange::ReplaceView(View { depends_on: vec![id(catalog, on)], ..(*low).clone() }))
    };
    for on in ["low", "high"] {
        assert_eq!(replace(&catalog, on).expect_err("a cycle").state, SqlState::InvalidObjectDefinition);
    }
    let Some(RelationRef::View(new)) = replace(&catalog, "marketing_events").expect("no cycle").relation(low.id) else {
        panic!("it is still a view")
    };
    assert_eq!(new.comment.as_deref(), Some("the low one"));
    let catalog = create_view(&catalog, "kept", &["high"], true);
    let error = replace(&catalog, "marketing_events").expect_err("a materialized view would not follow");
    assert_eq!(error.state, SqlState::FeatureNotSupported);
}

#[test]
fn every_builtin_value_is_read() {
    let mut seen = BTreeSet::new();
    for relation in system_relations() {
        assert!(seen.insert(relation.id), "{} has an oid of its own", relation.name);
        let Some(file) = data::file(relation.name) else { continue };
        let rows = relation.static_rows();
        if rows.is_empty() {
            continue;
        }
        for (raw, row) in file.rows().zip(rows) {
            for (field, datum) in relation.columns.iter().zip(row) {
                assert_eq!(raw.get(&field.name).is_none(), datum.is_null(), "{}.{}", relation.name, field.name);
            }
        }
    }
    assert!(seen.len() > 200);
}

#[test]
fn every_system_relation_has_rows_of_its_shape() {
    let catalog = tutorial();
    with_functions(&catalog, |functions, _| {
        for relation in system_relations() {
            let rows = relation.rows(&catalog, &functions.context);
            assert!(rows.iter().all(|row| row.len() == relation.columns.len()), "{}", relation.name);
            for (row, (field, not_null)) in
                rows.iter().flat_map(|row| row.iter().zip(relation.columns.iter().zip(&relation.not_null)))
            {
                assert!(!not_null || !row.is_null(), "{}.{}", relation.name, field.name);
            }
            assert_eq!(relation.batch(&catalog, &functions.context).rows, rows.len(), "{}", relation.name);
        }
    });
}

#[test]
fn hidden_keys_are_not_shown() {
    let catalog = create_table(&tutorial(), "keyless", &[("a", DataType::Int4)], false);
    let oid = Datum::Oid(id(&catalog, "keyless").0);
    assert_eq!(select(&catalog, "pg_attribute", "attname", "attrelid", &oid), [Datum::text("a")]);
    assert_eq!(select(&catalog, "pg_class", "relhasindex", "oid", &oid), [Datum::Bool(false)]);
    assert_eq!(select(&catalog, "pg_class", "relnatts", "oid", &oid), [Datum::Int2(1)]);
    assert!(select(&catalog, "pg_index", "indexrelid", "indrelid", &oid).is_empty());
}

#[test]
fn a_table_is_described_to_the_catalogs() {
    let catalog = tutorial();
    let oid = Datum::Oid(id(&catalog, "marketing_events").0);
    let types = select(&catalog, "pg_attribute", "atttypid", "attrelid", &oid);
    assert_eq!(types, [Datum::Oid(1043), Datum::Oid(23), Datum::Oid(1700), Datum::Oid(1184)]);
    let collations = select(&catalog, "pg_attribute", "attcollation", "attrelid", &oid);
    assert_eq!(collations, [Datum::Oid(100), Datum::Oid(0), Datum::Oid(0), Datum::Oid(0)]);
    assert_eq!(select(&catalog, "pg_class", "reltuples", "oid", &oid), [Datum::Float4(7.0)]);
    assert_eq!(select(&catalog, "pg_constraint", "conname", "conrelid", &oid), [Datum::text("marketing_events_pkey")]);
}

#[test]
fn functions_print_what_postgresql_prints() {
    let catalog = tutorial();
    let pkey = catalog.name_id("public", "campaigns_pkey").expect("it has a key");
    let oid = |id: RelationId| Datum::Oid(id.0);
    let view = id(&catalog, "campaign_performance");
    let cases: Vec<(&str, Vec<Datum>, Datum)> = vec![
        ("format_type", vec![Datum::Oid(1043), Datum::Int4(44)], Datum::text("character varying(40)")),
        ("format_type", vec![Datum::Oid(1700), Datum::Int4((10 << 16) + 2 + 4)], Datum::text("numeric(10,2)")),
        ("format_type", vec![Datum::Oid(1184), Datum::Int4(-1)], Datum::text("timestamp with time zone")),
        ("format_type", vec![Datum::Oid(1015), Datum::Null], Datum::text("character varying[]")),
        ("format_type", vec![Datum::Oid(18), Datum::Null], Datum::text("\"char\"")),
        ("format_type", vec![Datum::Oid(1042), Datum::Int4(-1)], Datum::text("bpchar")),
        ("format_type", vec![Datum::Oid(22), Datum::Null], Datum::text("int2vector")),
        ("format_type", vec![Datum::Oid(0), Datum::Null], Datum::text("-")),
        ("format_type", vec![Datum::Null, Datum::Null], Datum::Null),
        (
            "pg_get_indexdef",
            vec![oid(pkey)],
            Datum::text("CREATE UNIQUE INDEX campaigns_pkey ON public.campaigns USING btree (campaign_id)"),
        ),
        (
            "pg_get_indexdef",
            vec![oid(pkey), Datum::Int4(0), Datum::Bool(true)],
            Datum::text("CREATE UNIQUE INDEX campaigns_pkey ON campaigns USING btree (campaign_id)"),
        ),
        ("pg_get_indexdef", vec![oid(pkey), Datum::Int4(1), Datum::Bool(true)], Datum::text("campaign_id")),
        ("pg_get_constraintdef", vec![oid(pkey), Datum::Bool(true)], Datum::text("PRIMARY KEY (campaign_id)")),
        ("pg_get_viewdef", vec![oid(view), Datum::Bool(true)], Datum::text(" SELECT 1 AS n;")),
        ("pg_get_expr", vec![Datum::text("current_timestamp"), oid(view)], Datum::text("CURRENT_TIMESTAMP")),
        ("pg_get_userbyid", vec![Datum::Oid(10)], Datum::text("postgres")),
        ("pg_get_userbyid", vec![Datum::Oid(6171)], Datum::text("pg_database_owner")),
        ("pg_get_userbyid", vec![Datum::Oid(77)], Datum::text("unknown (OID=77)")),
        ("pg_table_is_visible", vec![oid(view)], Datum::Bool(true)),
        ("pg_table_is_visible", vec![oid(pkey)], Datum::Bool(true)),
        ("pg_table_is_visible", vec![Datum::Oid(15001)], Datum::Bool(false)),
        ("pg_encoding_to_char", vec![Datum::Int4(6)], Datum::text("UTF8")),
        ("pg_table_size", vec![oid(view)], Datum::Int8(9000)),
        ("obj_description", vec![Datum::Oid(11), Datum::text("pg_namespace")], Datum::text("system catalog schema")),
        ("obj_description", vec![Datum::Oid(2), Datum::text("pg_am")], Datum::text("heap table access method")),
        ("pg_get_function_arguments", vec![Datum::Oid(2281)], Datum::Null),
        ("current_setting", vec![Datum::text("server_version_num")], Datum::text("150018")),
        ("current_schema", vec![], Datum::text("public")),
        ("has_table_privilege", vec![Datum::text("campaigns"), Datum::text("SELECT")], Datum::Bool(true)),
        ("to_regclass", vec![Datum::text("nope")], Datum::Null),
        ("to_regclass", vec![Datum::text("public.campaigns")], oid(id(&catalog, "campaigns"))),
    ];
    with_functions(&catalog, |functions, settings| {
        for (name, args, expected) in cases {
            assert_eq!(functions.call(name, &args, settings), Ok(expected), "{name}({args:?})");
        }
    });
}

#[test]
fn builtin_functions_are_described() {
    // As `\df` prints them.
    let cases = [
        (
            "make_interval",
            "years integer DEFAULT 0, months integer DEFAULT 0, weeks integer DEFAULT 0, days integer DEFAULT 0, hours integer DEFAULT 0, mins integer DEFAULT 0, secs double precision DEFAULT 0.0",
            "interval",
        ),
        (
            "pg_get_keywords",
            "OUT word text, OUT catcode \"char\", OUT barelabel boolean, OUT catdesc text, OUT baredesc text",
            "SETOF record",
        ),
        ("concat_ws", "text, VARIADIC \"any\"", "text"),
    ];
    with_functions(&Catalog::new(), |functions, settings| {
        for (name, arguments, result) in cases {
            let oid = Datum::Oid(functions.reg_oid(RegKind::Proc, name, settings).expect("it is built in"));
            let args = [oid];
            assert_eq!(functions.call("pg_get_function_arguments", &args, settings), Ok(Datum::text(arguments)));
            assert_eq!(functions.call("pg_get_function_result", &args, settings), Ok(Datum::text(result)));
        }
    });
}

#[test]
fn reg_types_read_names_and_numbers() {
    let catalog = tutorial();
    with_functions(&catalog, |functions, settings| {
        let oid = |kind, name: &str| functions.reg_oid(kind, name, settings).map_err(|e| (e.state.code(), e.message));
        let campaigns = id(&catalog, "campaigns").0;
        assert_eq!(oid(RegKind::Class, "campaigns"), Ok(campaigns));
        assert_eq!(oid(RegKind::Class, "PUBLIC.\"campaigns\""), Ok(campaigns));
        assert_eq!(oid(RegKind::Class, "pg_class"), Ok(1259));
        assert_eq!(oid(RegKind::Class, "16999"), Ok(16999));
        assert_eq!(oid(RegKind::Class, "nope"), Err(("42P01", "relation \"nope\" does not exist".to_owned())));
        assert_eq!(oid(RegKind::Class, "s.t"), Err(("3F000", "schema \"s\" does not exist".to_owned())));
        assert_eq!(oid(RegKind::Type, "timestamptz"), Ok(1184));
        assert_eq!(oid(RegKind::Type, "point"), Ok(600));
        assert_eq!(oid(RegKind::Type, "nope"), Err(("42704", "type \"nope\" does not exist".to_owned())));
        assert_eq!(oid(RegKind::Proc, "avg"), Err(("42725", "more than one function named \"avg\"".to_owned())));
        assert_eq!(oid(RegKind::Procedure, "abs(integer)"), Ok(1397));
        assert_eq!(oid(RegKind::Namespace, "public"), Ok(2200));
        assert_eq!(oid(RegKind::Role, "root"), Ok(16000));
        let name = |kind, oid| functions.reg_name(kind, oid, settings);
        assert_eq!(name(RegKind::Class, 1259).as_deref(), Some("pg_class"));
        assert_eq!(name(RegKind::Class, 0).as_deref(), Some("-"));
        assert_eq!(name(RegKind::Class, 999), None);
        assert_eq!(name(RegKind::Type, 1184).as_deref(), Some("timestamp with time zone"));
        assert_eq!(name(RegKind::Proc, 1242).as_deref(), Some("boolin"));
        assert_eq!(name(RegKind::Proc, 2100).as_deref(), Some("pg_catalog.avg"));
    });
}

#[test]
fn every_type_has_a_row_in_pg_type() {
    for data_type in DataType::scalars() {
        let name = select(&Catalog::new(), "pg_type", "typname", "oid", &Datum::Oid(data_type.oid()));
        assert_eq!(name, [Datum::text(data_type.internal_name())]);
    }
}

#[test]
fn every_function_that_reads_the_catalog_is_computed() {
    use headwater_expr::registry::{Kernel, all_functions};
    let missing: Vec<&str> = (all_functions().iter())
        .filter(|function| matches!(function.kernel, Kernel::Catalog) && !crate::functions::is_known(function.name))
        .map(|function| function.signature.as_str())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(all_functions().iter().any(|function| function.name == "format_type"));
}

#[test]
fn a_shared_relation_comes_before_its_readers_and_goes_with_them() {
    let catalog = create_table(&Catalog::new(), "t", &[("k", DataType::Int4)], true);
    let catalog = create_view(&catalog, "first", &["t"], true);
    let (table, first, shared) = (id(&catalog, "t"), id(&catalog, "first"), catalog.ids().next_id());
    let grouping = Grouping { reads: table, fingerprint: vec![1], aggregates: vec![], uses_settings: false };
    let relation = SharedRelation {
        id: shared,
        grouping,
        definition: "SELECT k FROM t GROUP BY k".to_owned(),
        columns: vec![Field::new("k", DataType::Int4)],
        settings: SessionSettings::default(),
        plan: vec![],
    };
    let replacement = PlanReplacement { view: first, shared: vec![shared], groupings: vec![], key: None, plan: vec![] };
    let replace = CatalogChange::ReplacePlan(replacement);
    assert!(catalog.apply(&replace).is_err(), "there is nothing to read yet");
    let catalog = catalog.apply(&CatalogChange::CreateSharedRelation(relation)).expect("the table is there");
    let catalog = catalog.apply(&replace).expect("both are there");
    let order: Vec<RelationId> = catalog.all_hosted().into_iter().map(Hosted::id).collect();
    assert_eq!(order, [shared, first], "though the view is older");
    assert!(catalog.relation(shared).is_none() && catalog.relations().all(|relation| relation.id() != shared));
    assert_eq!(catalog.shared_reader_names(shared, &path()), ["first"]);
    let plan = catalog.drop_plan(&[table], true, &path()).expect("CASCADE");
    assert_eq!(plan.ids, [first, table, shared]);
    assert_eq!(plan.notice, Some(("drop cascades to materialized view first".to_owned(), None)));
    let catalog = catalog.apply(&CatalogChange::Drop { ids: plan.ids }).expect("all are there");
    assert!(catalog.shared_relations().next().is_none() && catalog.all_hosted().is_empty());
}
