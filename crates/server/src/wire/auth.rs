//! Who may connect: everybody from this machine, or whoever knows the password.

use super::backend;
use super::frame::Frontend;
use bytes::{Buf, Bytes, BytesMut};
use headwater_types::{SqlError, SqlState};
use pgwire::api::auth::sasl::SCRAM_SHA_256_METHOD;
use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, ScramServerAuthWaitingForClientFinal, gen_salted_password,
    random_nonce,
};
use pgwire::messages::startup::Authentication as AuthenticationMessage;

/// What a client must prove.
#[derive(Clone)]
pub enum Authentication {
    /// Nothing.
    Trust,
    /// That it knows the password, by SCRAM-SHA-256 (RFC 5802, RFC 7677). The password itself is not kept.
    Scram {
        /// Random, one per start of the server.
        salt: Vec<u8>,
        /// `Hi(password, salt, iterations)`.
        salted_password: Vec<u8>,
    },
}

impl Authentication {
    /// Asks for `password`.
    pub fn scram(password: &str) -> Self {
        let salt = random_nonce().into_bytes();
        let salted_password = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        Self::Scram { salt, salted_password }
    }

    /// Starts the exchange: writes what the client must answer, if anything.
    pub fn begin(&self, output: &mut BytesMut) -> Exchange {
        match self {
            Self::Trust => Exchange::Done,
            Self::Scram { salt, salted_password } => {
                let methods = vec![SCRAM_SHA_256_METHOD.to_owned()];
                backend::authentication(output, &AuthenticationMessage::SASL(methods));
                Exchange::ClientFirst { salt: salt.clone(), salted_password: salted_password.clone() }
            }
        }
    }
}

/// Where an authentication stands.
pub enum Exchange {
    /// The client's first message is awaited.
    ClientFirst {
        /// See [`Authentication::Scram`].
        salt: Vec<u8>,
        /// See [`Authentication::Scram`].
        salted_password: Vec<u8>,
    },
    /// Its proof is awaited.
    ClientFinal(Box<ScramServerAuthWaitingForClientFinal>),
    /// It is who it says.
    Done,
}

impl Exchange {
    /// Takes the client's next message.
    ///
    /// # Errors
    ///
    /// 28P01 if the proof is wrong, 08P01 if the message is not one of SCRAM.
    pub fn step(self, user: &str, message: Frontend, output: &mut BytesMut) -> Result<Self, SqlError> {
        let Frontend::Password(body) = message else {
            return Err(SqlError::new(SqlState::ProtocolViolation, "expected SASL response"));
        };
        match self {
            Self::ClientFirst { salt, salted_password } => {
                let client_first = initial_response(body)?;
                let secret = ScramSecret::SaltedPassword { salt, salted_password };
                let (server_first, waiting) = ScramServerAuth::new()
                    .on_client_first_message_with_secret(&client_first, secret)
                    .map_err(|_| malformed())?;
                backend::authentication(output, &AuthenticationMessage::SASLContinue(server_first.into()));
                Ok(Self::ClientFinal(Box::new(waiting)))
            }
            Self::ClientFinal(waiting) => {
                let server_final = waiting.on_client_final_message(&body).map_err(|_| {
                    SqlError::new(
                        SqlState::InvalidPassword,
                        format!("password authentication failed for user \"{user}\""),
                    )
                })?;
                backend::authentication(output, &AuthenticationMessage::SASLFinal(server_final.into()));
                Ok(Self::Done)
            }
            Self::Done => Err(malformed()),
        }
    }
}

fn malformed() -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, "malformed SCRAM message")
}

/// The body of SASLInitialResponse: the mechanism, a length, the client-first message.
fn initial_response(mut body: Bytes) -> Result<Bytes, SqlError> {
    let end = body.iter().position(|&byte| byte == 0).ok_or_else(malformed)?;
    if body.split_to(end) != SCRAM_SHA_256_METHOD.as_bytes() {
        return Err(SqlError::new(
            SqlState::ProtocolViolation,
            "client selected an invalid SASL authentication mechanism",
        ));
    }
    body.advance(1);
    let length = body.try_get_i32().map_err(|_| malformed())?;
    if usize::try_from(length) != Ok(body.len()) {
        return Err(malformed());
    }
    Ok(body)
}
