//! The newest rows of the three views, as text.

use super::DemoError;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What is shown of a view: its name, its columns with their titles, and what orders the rows of one window.
struct Shown {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
    order: &'static str,
}

const SHOWN: [Shown; 3] = [
    Shown {
        name: "campaign_performance",
        columns: &[
            ("window_start", "window_start"),
            ("campaign_name", "campaign"),
            ("impressions", "impressions"),
            ("clicks", "clicks"),
            ("conversions", "conversions"),
            ("revenue", "revenue"),
            ("round(ctr::numeric, 4)", "ctr"),
            ("round(conversion_rate::numeric, 4)", "conversion_rate"),
        ],
        order: "campaign_name",
    },
    Shown {
        name: "channel_attribution",
        columns: &[
            ("window_start", "window_start"),
            ("channel_type", "channel"),
            ("utm_source", "source"),
            ("utm_medium", "medium"),
            ("unique_users", "users"),
            ("conversions", "conversions"),
            ("revenue", "revenue"),
            ("round(avg_order_value, 2)", "avg_order_value"),
        ],
        order: "channel_type, utm_source, utm_medium",
    },
    Shown {
        name: "ab_test_results",
        columns: &[
            ("window_start", "window_start"),
            ("campaign_name", "campaign"),
            ("variant_name", "variant"),
            ("variant_type", "type"),
            ("impressions", "impressions"),
            ("clicks", "clicks"),
            ("conversions", "conversions"),
            ("revenue", "revenue"),
        ],
        order: "campaign_name, variant_name",
    },
];

/// Rows of one view.
#[derive(Debug, PartialEq, Eq)]
pub struct ViewRows {
    /// The view.
    pub name: &'static str,
    /// The columns' titles.
    pub titles: Vec<&'static str>,
    /// The values as text, NULL as nothing.
    pub rows: Vec<Vec<String>>,
}

/// The newest `rows` of each view, all as of one commit.
///
/// # Errors
///
/// Whatever the query raises.
pub async fn newest(client: &Client, rows: usize) -> Result<Vec<ViewRows>, DemoError> {
    let script: Vec<String> = SHOWN.iter().map(|shown| query(shown, rows)).collect();
    let messages = client.simple_query(&script.join(";\n")).await?;
    let mut views: Vec<ViewRows> = SHOWN
        .iter()
        .map(|shown| ViewRows {
            name: shown.name,
            titles: shown.columns.iter().map(|(_, title)| *title).collect(),
            rows: Vec::new(),
        })
        .collect();
    let mut view = 0;
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned());
                if let Some(view) = views.get_mut(view) {
                    view.rows.push(values.collect());
                }
            }
            SimpleQueryMessage::CommandComplete(_) => view += 1,
            _ => {}
        }
    }
    Ok(views)
}

fn query(shown: &Shown, rows: usize) -> String {
    let columns: Vec<&str> = shown.columns.iter().map(|(expression, _)| *expression).collect();
    format!(
        "SELECT {} FROM {} ORDER BY window_start DESC, {} LIMIT {rows}",
        columns.join(", "),
        shown.name,
        shown.order
    )
}

impl std::fmt::Display for ViewRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = std::iter::once(self.titles.iter().map(|title| (*title).to_owned()).collect())
            .chain(self.rows.iter().cloned())
            .collect::<Vec<Vec<String>>>();
        let widths: Vec<usize> = (0..self.titles.len())
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
            .collect();
        write!(f, "{}", self.name)?;
        for line in lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            write!(f, "\n  {}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let view = ViewRows {
            name: "v",
            titles: vec!["a", "long"],
            rows: vec![vec!["größer".into(), "1".into()], vec!["x".into(), String::new()]],
        };
        assert_eq!(view.to_string(), "v\n  a       long\n  größer  1\n  x");
    }
}
