//! A client that commits one transaction after the other until its server is gone.

use crate::model::transaction;
use std::net::SocketAddr;
use tokio_postgres::{Client, Error, NoTls};

/// A writer, and what it knows of its transactions.
pub struct Writer {
    pub number: usize,
    /// Transactions that the server has said are committed.
    pub committed: usize,
    /// Whether the COMMIT of one more was sent and not answered.
    pub in_doubt: bool,
}

impl Writer {
    pub fn new(number: usize) -> Self {
        Self { number, committed: 0, in_doubt: false }
    }

    /// Commits until the connection is lost.
    pub async fn run(mut self, address: SocketAddr) -> Self {
        let Ok(mut client) = try_connect(address).await else { return self };
        loop {
            match self.commit_next(&mut client).await {
                Ok(()) => {
                    self.committed += 1;
                    self.in_doubt = false;
                }
                Err(error) => {
                    assert!(error.as_db_error().is_none(), "writer {}: {error:?}", self.number);
                    return self;
                }
            }
        }
    }

    /// One transaction, in one of the ways that clients have.
    async fn commit_next(&mut self, client: &mut Client) -> Result<(), Error> {
        let statements = transaction(self.number, self.committed);
        match self.committed % 4 {
            // One message that is a transaction by itself.
            0 => {
                self.in_doubt = true;
                client.batch_execute(&statements.join(";\n")).await
            }
            // One message with a block in it.
            1 => {
                self.in_doubt = true;
                client.batch_execute(&format!("BEGIN;\n{};\nCOMMIT", statements.join(";\n"))).await
            }
            // A message per statement.
            2 => {
                client.batch_execute("BEGIN").await?;
                for statement in &statements {
                    client.batch_execute(statement).await?;
                }
                self.in_doubt = true;
                client.batch_execute("COMMIT").await
            }
            // Prepared statements.
            _ => {
                let block = client.transaction().await?;
                for statement in &statements {
                    block.execute(statement.as_str(), &[]).await?;
                }
                self.in_doubt = true;
                block.commit().await
            }
        }
    }
}

/// Connects to a server that has just said that it listens.
pub async fn connect(address: SocketAddr) -> Client {
    try_connect(address).await.expect("the server listens")
}

async fn try_connect(address: SocketAddr) -> Result<Client, Error> {
    let parameters = format!("host=127.0.0.1 port={} user=root dbname=dev", address.port());
    let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
