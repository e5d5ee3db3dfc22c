//! Petrichor's echo, both ends, to try a program in another language against.
//!
//! ```sh
//! cargo run -p carriers --example petrichor-echo -- serve 127.0.0.1:7000
//! cargo run -p carriers --example petrichor-echo -- connect 127.0.0.1:7000 joe
//! ```
//!
//! The client says each line of its input. The server admits everybody but `mallory`, so that a no
//! can be seen too.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{env, io};

use carriers::petrichor::{
    echo::{self, Verdict},
    primitives::{Conversation, PetrichorError, connect_allowed},
};
use crosstalk::tnetstring::{Dictionary, Value};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How many are served at the same time.
const MAX_CONVERSATIONS: usize = 64;

#[tokio::main]
async fn main() -> Result<(), PetrichorError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address).await,
        ["connect", address, user] => connect(address, user).await,
        _ => {
            let usage = "say `serve HOST:PORT` or `connect HOST:PORT NAME`";
            Err(io::Error::new(io::ErrorKind::InvalidInput, usage).into())
        }
    }
}

async fn serve(address: &str) -> Result<(), PetrichorError> {
    let listener = TcpListener::bind(address).await?;
    println!("listening {}", listener.local_addr()?);
    let mut conversations = JoinSet::new();
    loop {
        while conversations.len() >= MAX_CONVERSATIONS {
            conversations.join_next().await;
        }
        let (stream, _) = listener.accept().await?;
        conversations.spawn(async move {
            let header = Dictionary::from([("version", "1")]);
            match echo::serve(stream, header, judge).await {
                Ok(()) => println!("somebody is done"),
                Err(error) => println!("somebody is cut off: {error}"),
            }
        });
    }
}

fn judge(who: &Dictionary) -> Verdict {
    if who.value(b"user") == Some(&"mallory".into()) {
        return Verdict::Denied("go away".into());
    }
    Verdict::Allowed("WELCOME".into())
}

async fn connect(address: &str, user: &str) -> Result<(), PetrichorError> {
    let stream = TcpStream::connect(address).await?;
    let header = Dictionary::from([("user", user.to_owned()), ("version", "1".to_owned())]);
    let (mut conversation, answer) = Conversation::connect(stream, &header, &"".into()).await?;
    if !connect_allowed(&answer.header) {
        println!("YOU WERE DENIED {}", shown(&answer.body));
        return Ok(());
    }
    println!("CONNECTED {}", shown(&answer.body));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(answer) = conversation.request(&Dictionary::new(), &line.into()).await? else {
            break;
        };
        println!("{}", shown(&answer.body));
    }
    conversation.close().await?;
    Ok(())
}

/// Returns a value as a line: what comes from elsewhere does not steer the terminal.
fn shown(value: &Value) -> String {
    match value {
        Value::String(bytes) => String::from_utf8_lossy(bytes).escape_debug().to_string(),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Dictionary(_) => format!("{value:?}"),
    }
}
