//! One connection, and what is sent over it byte by byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub struct Connection(TcpStream);

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(stream))
    }

    /// The status and the body of the answer.
    pub fn post(&mut self, endpoint: &str, body: &Value) -> io::Result<(u16, Value)> {
        let body = body.to_string();
        let head = format!(
            "POST /api/2.0/mlflow/{endpoint} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.exchange(format!("{head}{body}").as_bytes())
    }

    pub fn get(&mut self, path: &str) -> io::Result<(u16, Value)> {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// A body that is no JSON is answered as a text.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, Value)> {
        self.send(request)?;
        let (status, body) = self.answer()?;
        let json = serde_json::from_slice(&body);
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        Ok((status, json.unwrap_or_else(|_| text())))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    pub fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut received = Vec::new();
        let head = loop {
            let end = received.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break String::from_utf8_lossy(&received.drain(..end + 4).collect::<Vec<_>>())
                    .to_ascii_lowercase();
            }
            self.read_more(&mut received)?;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        while received.len() < length {
            self.read_more(&mut received)?;
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Ok((status.unwrap_or(0), received))
    }

    fn read_more(&mut self, received: &mut Vec<u8>) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        match self.0.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                received.extend_from_slice(&piece[..length]);
                Ok(())
            }
        }
    }
}
