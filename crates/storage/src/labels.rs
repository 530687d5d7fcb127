//! The labels of a message as they stand in its row: one a line, and nothing where there are none.

/// The labels as a column.
pub(crate) fn column(labels: &[String]) -> Option<String> {
    (!labels.is_empty()).then(|| labels.join("\n"))
}

/// Each label of a column.
pub(crate) fn each(column: Option<&str>) -> impl Iterator<Item = &str> {
    column.into_iter().flat_map(|labels| labels.split('\n'))
}
