//! Rows as JSON objects: the operations that every described table shares.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};

use crate::codec::{self, Binding};
use crate::error::{Result, StoreError};
use crate::tables::{Kind, Table};
use crate::transaction::transaction;

/// One row, or the columns of one: booleans as booleans, JSON columns parsed.
pub type Record = Map<String, Value>;

/// Which rows of a table to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Columns and the values they must have; null asks for the rows that have none.
    pub equals: Record,
    pub order: Order,
    pub limit: Option<u32>,
    pub offset: u32,
}

/// By the time of insertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

/// When a write moves `updated_at`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bump {
    WhenChanged,
    Always,
}

/// Adds a row. A missing `id` becomes a random UUID, missing timestamps become `now`.
pub fn insert(conn: &Connection, table: &Table, mut record: Record, now: i64) -> Result<Record> {
    transaction(conn, |conn| {
        if is_missing(&record, "id") {
            record.insert("id".into(), random_uuid(conn)?.into());
        }
        for timestamp in ["inserted_at", "updated_at"] {
            if is_missing(&record, timestamp) {
                record.insert(timestamp.into(), now.into());
            }
        }

        let (names, values): (Vec<_>, Vec<_>) = codec::encode(table, &record)?.into_iter().unzip();
        let sql = format!(
            "INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING {all}",
            table = table.name,
            names = names.join(", "),
            marks = vec!["?"; names.len()].join(", "),
            all = table.select_list(),
        );
        let inserted = select(conn, table, &sql, values)?.pop();
        inserted.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    })
}

/// Changes the given columns of a row. `updated_at` moves only if one of them really changed, and
/// then always forwards. The columns that the store keeps (`id`, `inserted_at`, `updated_at`) are
/// left alone, so a row that was read can be changed and given back whole.
pub fn update(
    conn: &Connection,
    table: &Table,
    id: &str,
    changes: Record,
    now: i64,
) -> Result<Record> {
    revise(conn, table, id, changes, Bump::WhenChanged, now)
}

pub(crate) fn revise(
    conn: &Connection,
    table: &Table,
    id: &str,
    mut changes: Record,
    bump: Bump,
    now: i64,
) -> Result<Record> {
    changes.retain(|name, _| !matches!(name.as_str(), "id" | "inserted_at" | "updated_at"));
    let changes = codec::encode(table, &changes)?;
    let sql = update_sql(table, &changes, bump);
    let values = changes
        .into_iter()
        .map(|(_, value)| value)
        .chain([now.into(), id.to_owned().into()]);

    transaction(conn, |conn| {
        if let Some(changed) = select(conn, table, &sql, values)?.pop() {
            return Ok(changed);
        }
        get(conn, table, "id", id)?.ok_or_else(|| StoreError::not_found(table.name, id))
    })
}

/// Binds the changes in order, then the time, then the id.
fn update_sql(table: &Table, changes: &[Binding], bump: Bump) -> String {
    let numbered = || {
        changes
            .iter()
            .zip(1..)
            .map(|((name, _), number)| (name, number))
    };
    let sets: String = numbered()
        .map(|(name, n)| format!("{name} = ?{n}, "))
        .collect();
    let differs: String = numbered()
        .map(|(name, n)| format!(" OR {name} IS NOT ?{n}"))
        .collect();
    let always = bump == Bump::Always;

    // One millisecond past the previous value at least: whoever compares `updated_at` sees that the
    // row changed, even within the same millisecond or after the clock went backwards.
    format!(
        "UPDATE {table} SET {sets}updated_at = max(?{now}, updated_at + 1) \
         WHERE id = ?{id} AND ({always}{differs}) RETURNING {all}",
        table = table.name,
        now = changes.len() + 1,
        id = changes.len() + 2,
        all = table.select_list(),
    )
}

/// Updates the row that has this value of `conflict_column` (a unique one), or inserts it. Of a
/// row that exists, only the given columns are overwritten.
pub fn upsert(
    conn: &Connection,
    table: &Table,
    conflict_column: &str,
    record: Record,
    now: i64,
) -> Result<Record> {
    let column = table.column(conflict_column)?;
    if !column.unique {
        return Err(StoreError::invalid(format!(
            "{}.{conflict_column} is not unique: upsert by a column that names one row",
            table.name
        )));
    }
    let key = record
        .get(conflict_column)
        .filter(|key| !key.is_null())
        .cloned()
        .ok_or_else(|| {
            StoreError::invalid(format!(
                "upsert by {conflict_column:?} needs its value: give the key"
            ))
        })?;

    transaction(conn, |conn| match get(conn, table, conflict_column, key)? {
        Some(row) => update(conn, table, id(&row), record, now),
        None => insert(conn, table, record, now),
    })
}

/// The row with this value of `column`; the newest one where several have it.
pub fn get(
    conn: &Connection,
    table: &Table,
    column: &str,
    value: impl Into<Value>,
) -> Result<Option<Record>> {
    let equals = Record::from_iter([(column.to_owned(), value.into())]);
    let filter = Filter {
        equals,
        order: Order::Newest,
        limit: Some(1),
        ..Filter::default()
    };
    Ok(list(conn, table, &filter)?.pop())
}

pub fn list(conn: &Connection, table: &Table, filter: &Filter) -> Result<Vec<Record>> {
    let mut conditions = vec!["TRUE".to_owned()];
    let mut values = Vec::new();
    for (name, value) in &filter.equals {
        let column = table.column(name)?;
        if column.kind == Kind::Json {
            let message = format!("{}.{name} holds JSON: filter by another column", table.name);
            return Err(StoreError::invalid(message));
        }
        conditions.push(format!("{} IS ?", column.name));
        values.push(codec::encode_one(table, column, value)?);
    }
    values.push(filter.limit.map_or(-1, i64::from).into());
    values.push(i64::from(filter.offset).into());

    let sql = format!(
        "SELECT {all} FROM {table} WHERE {conditions} \
         ORDER BY inserted_at {order}, rowid {order} LIMIT ? OFFSET ?",
        all = table.select_list(),
        table = table.name,
        conditions = conditions.join(" AND "),
        order = match filter.order {
            Order::Oldest => "ASC",
            Order::Newest => "DESC",
        },
    );
    select(conn, table, &sql, values)
}

/// Whether there was such a row.
pub fn delete(conn: &Connection, table: &Table, id: &str) -> Result<bool> {
    transaction(conn, |conn| {
        let sql = format!("DELETE FROM {} WHERE id = ?", table.name);
        Ok(conn.prepare_cached(&sql)?.execute([id])? > 0)
    })
}

/// Every row of a query that selects [`Table::select_list`].
pub(crate) fn select(
    conn: &Connection,
    table: &Table,
    sql: &str,
    values: impl IntoIterator<Item = Sql>,
) -> Result<Vec<Record>> {
    conn.prepare_cached(sql)?
        .query_and_then(params_from_iter(values), |row| codec::decode(table, row))?
        .collect()
}

fn is_missing(record: &Record, column: &str) -> bool {
    record.get(column).is_none_or(Value::is_null)
}

fn random_uuid(conn: &Connection) -> Result<String> {
    let sql = "SELECT randomblob(16)";
    let mut bytes: [u8; 16] = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    bytes[6] = bytes[6] & 0x0f | 0x40; // version 4
    bytes[8] = bytes[8] & 0x3f | 0x80; // the RFC's variant

    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}

/// The id of a row that was read: there always is one.
pub(crate) fn id(row: &Record) -> &str {
    text(row, "id").unwrap_or_default()
}

/// A column that is known to hold text.
pub(crate) fn text<'a>(record: &'a Record, column: &str) -> Option<&'a str> {
    record.get(column).and_then(Value::as_str)
}
