//! The tutorial's tables, views and campaigns, created where they are missing.

use super::DemoError;
use std::collections::HashSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

const TABLES: &str = include_str!("../../../../sql/marketing/01_tables.sql");
const VIEWS: &str = include_str!("../../../../sql/marketing/02_views.sql");

/// A campaign of the tutorial.
pub struct Campaign {
    /// Its key.
    pub id: &'static str,
    /// `utm_campaign` of its events.
    pub utm_campaign: &'static str,
    /// The rest of its row: name, type, budget, audience.
    row: [&'static str; 4],
}

/// The tutorial's campaigns: two ordinary ones, two A/B tests.
pub const CAMPAIGNS: [Campaign; 4] = [
    Campaign {
        id: "camp_summer_sale",
        utm_campaign: "summer_sale",
        row: ["Summer Sale", "regular", "10000", "all customers"],
    },
    Campaign {
        id: "camp_product_launch",
        utm_campaign: "product_launch",
        row: ["Product Launch", "regular", "25000", "early adopters"],
    },
    Campaign {
        id: "camp_newsletter",
        utm_campaign: "newsletter",
        row: ["Newsletter Subject Lines", "ab_test", "3000", "subscribers"],
    },
    Campaign {
        id: "camp_landing_page",
        utm_campaign: "landing_page",
        row: ["Landing Page Redesign", "ab_test", "8000", "new visitors"],
    },
];

/// Variants of the A/B tests: id, campaign, name, type, content.
const VARIANTS: [[&str; 5]; 5] = [
    ["var_newsletter_a", "camp_newsletter", "A", "subject_line", "Ten things you missed this week"],
    ["var_newsletter_b", "camp_newsletter", "B", "subject_line", "Your week in two minutes"],
    ["var_newsletter_control", "camp_newsletter", "Control", "subject_line", "Weekly newsletter"],
    ["var_landing_a", "camp_landing_page", "A", "landing_page", "One form, above the fold"],
    ["var_landing_b", "camp_landing_page", "B", "landing_page", "Video first, form below"],
];

/// Creates what is missing. What is there, and what it holds, stays as it is.
///
/// # Errors
///
/// Any error but that a relation exists.
pub async fn create(client: &Client) -> Result<(), DemoError> {
    for statement in statements(TABLES).chain(statements(VIEWS)) {
        match client.batch_execute(statement).await {
            Err(error) if error.code() == Some(&SqlState::DUPLICATE_TABLE) => {}
            created => created?,
        }
    }
    let known = keys(client, "SELECT campaign_id FROM campaigns").await?;
    for campaign in CAMPAIGNS.iter().filter(|campaign| !known.contains(campaign.id)) {
        let [name, kind, budget, audience] = campaign.row;
        client
            .batch_execute(&format!(
                "INSERT INTO campaigns (campaign_id, campaign_name, campaign_type, start_date, end_date, budget, \
                 target_audience) VALUES ('{}', '{name}', '{kind}', CURRENT_TIMESTAMP, \
                 CURRENT_TIMESTAMP + INTERVAL '30 days', {budget}, '{audience}')",
                campaign.id
            ))
            .await?;
    }
    let known = keys(client, "SELECT variant_id FROM ab_test_variants").await?;
    for [id, campaign, name, kind, content] in VARIANTS.iter().filter(|[id, ..]| !known.contains(*id)) {
        client
            .batch_execute(&format!(
                "INSERT INTO ab_test_variants (variant_id, campaign_id, variant_name, variant_type, content_details) \
                 VALUES ('{id}', '{campaign}', '{name}', '{kind}', '{content}')"
            ))
            .await?;
    }
    Ok(())
}

/// The statements of one of our files, each of which ends a line with its semicolon.
fn statements(file: &str) -> impl Iterator<Item = &str> {
    file.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

async fn keys(client: &Client, query: &str) -> Result<HashSet<String>, DemoError> {
    let messages = client.simple_query(query).await?;
    Ok(messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_hold_three_tables_and_three_views() {
        let tables: Vec<_> = statements(TABLES).collect();
        let views: Vec<_> = statements(VIEWS).collect();
        assert_eq!(tables.len(), 3);
        assert_eq!(views.len(), 3);
        assert!(tables.iter().all(|statement| statement.contains("CREATE TABLE ")));
        assert!(views.iter().all(|statement| statement.contains("CREATE MATERIALIZED VIEW ")));
    }

    #[test]
    fn variants_belong_to_ab_tests() {
        for [_, campaign, ..] in VARIANTS {
            let kinds = CAMPAIGNS.iter().filter(|c| c.id == campaign).map(|c| c.row[1]);
            assert_eq!(kinds.collect::<Vec<_>>(), ["ab_test"], "{campaign}");
        }
    }
}
