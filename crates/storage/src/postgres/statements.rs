//! Statements that many tables have alike.

/// Writes a row in place of one with the same key. Parameters are the columns of the key, then the others.
pub(super) fn put(table: &str, key: &str, others: &str) -> String {
    let count = key.split(", ").chain(others.split(", ")).count();
    let values: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
    let changes: Vec<String> =
        others.split(", ").map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "INSERT INTO {table} ({key}, {others}) VALUES ({}) ON CONFLICT ({key}) DO UPDATE SET {}",
        values.join(", "),
        changes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_row_takes_the_place_of_another() {
        assert_eq!(
            super::put("t", "a, b", "c, d"),
            "INSERT INTO t (a, b, c, d) VALUES ($1, $2, $3, $4) ON CONFLICT (a, b) DO UPDATE SET \
             c = excluded.c, d = excluded.d"
        );
    }
}
