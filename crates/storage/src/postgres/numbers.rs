//! Numbers in the database: PostgreSQL's integers are signed, ours are not.

/// A number for a column; what is beyond its range becomes its end.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number from a column; never negative in what we write.
pub(super) fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// How many rows to ask for.
pub(super) fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// How many there are.
pub(super) fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}
