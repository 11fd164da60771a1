//! Who writes rows.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::PATIENCE;

/// A JSON-RPC connection of our own: `ovsdb-client` takes longer to start than a change takes.
pub(super) struct Connection {
    stream: UnixStream,
    id: u64,
}

impl Connection {
    pub(super) fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, id: 0 })
    }

    pub(super) fn commit(&mut self, transaction: Value) -> Result<()> {
        self.id += 1;
        let request = json!({"method": "transact", "params": transaction, "id": self.id});
        self.stream
            .write_all(serde_json::to_string(&request)?.as_bytes())?;
        let reply = self.reply()?;
        let text = reply.to_string();
        ensure!(
            !text.contains("\"error\":\"") && !text.contains("\"error\":{"),
            "{text}"
        );
        Ok(())
    }

    fn reply(&mut self) -> Result<Value> {
        let mut text = Vec::new();
        let mut chunk = [0; 65536];
        loop {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the database closed the connection");
            text.extend_from_slice(chunk.get(..read).unwrap_or_default());
            let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
            while let Some(Ok(value)) = values.next() {
                if value["method"] == "echo" {
                    let answer =
                        json!({"result": value["params"], "error": null, "id": value["id"]});
                    self.stream.write_all(answer.to_string().as_bytes())?;
                    text = Vec::new();
                    break;
                }
                if value["id"] == self.id {
                    return Ok(value);
                }
            }
        }
    }
}
