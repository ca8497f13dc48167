//! Python's pickles as plain values: nothing in them is looked up, called or executed.
//!
//! Protocols 2 to 5, as far as dictionaries, sequences, numbers, texts and NumPy arrays need them. What a pickle would
//! build by a call comes back as the call itself ([`Value::Call`]).

use std::collections::HashMap;

/// Levels of calls, sequences and dictionaries inside each other; what is deeper is refused.
const DEEPEST: usize = 32;
/// Values in all; every one takes at least a byte of the pickle, but may be named again.
const MOST_VALUES: usize = 10_000_000;
/// Bytes of texts for each byte of the pickle, as texts may be named again too: those of labels take two.
const MOST_BYTES: usize = 16;
/// Bytes of the name of a thing in a module, which may be put together from texts that are named again.
const LONGEST_NAME: usize = 256;

/// What a pickle holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// None, and what is not told apart from it.
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    /// Tuples and lists.
    Sequence(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// `module.name`, not looked up.
    Name(String),
    /// What would be called, with what, and the state that would be given to the result.
    Call {
        name: String,
        arguments: Vec<Value>,
        state: Option<Box<Value>>,
    },
}

/// Reads the one value of a pickle.
///
/// # Errors
/// In words: an end too early, an instruction that is not known, a stack that does not fit.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    let mut left = Left {
        values: MOST_VALUES,
        bytes: bytes.len().saturating_mul(MOST_BYTES),
    };
    machine.value(root, DEEPEST, &mut left)
}

/// What a pickle may still ask for.
struct Left {
    values: usize,
    bytes: usize,
}

impl Left {
    /// Takes a value off that holds so many bytes.
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.values = self.values.checked_sub(1).ok_or("too many values")?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or("too many texts")?;
        Ok(())
    }
}

/// A value whose parts are numbers of other nodes: a pickle fills what it has named before.
enum Node {
    Mark,
    Plain(Value),
    Sequence(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Call {
        /// A name.
        callable: usize,
        arguments: usize,
        state: Option<usize>,
    },
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<usize>,
    memo: HashMap<u32, usize>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<usize, String> {
        loop {
            let begin = self.at;
            let code = self.take(1)?[0];
            match code {
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => return self.pop(),
                b'(' => self.push(Node::Mark),
                b'0' => drop(self.pop()?),
                b'N' => self.plain(Value::None),
                0x88 => self.plain(Value::Bool(true)),
                0x89 => self.plain(Value::Bool(false)),
                b'K' => self.int::<1>(|b| i64::from(b[0]))?,
                b'M' => self.int::<2>(|b| i64::from(u16::from_le_bytes(b)))?,
                b'J' => self.int::<4>(|b| i64::from(i32::from_le_bytes(b)))?,
                0x8a => self.long()?,
                b'G' => {
                    let value = f64::from_be_bytes(self.array()?);
                    self.plain(Value::Float(value));
                }
                b'C' | b'U' => self.bytes_of::<1>()?,
                b'B' | b'T' => self.bytes_of::<4>()?,
                0x8e => self.bytes_of::<8>()?,
                0x8c => self.text_of::<1>()?,
                b'X' => self.text_of::<4>()?,
                0x8d => self.text_of::<8>()?,
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.name(&module, &name)?;
                }
                b')' | b']' => self.push(Node::Sequence(Vec::new())),
                b'}' => self.push(Node::Dict(Vec::new())),
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let first = self
                        .stack
                        .len()
                        .checked_sub(count)
                        .ok_or("an empty stack")?;
                    let parts = self.stack.split_off(first);
                    self.push(Node::Sequence(parts));
                }
                b't' => {
                    let parts = self.pop_to_mark()?;
                    self.push(Node::Sequence(parts));
                }
                b'a' => {
                    let part = self.pop()?;
                    self.extend(vec![part])?;
                }
                b'e' => {
                    let parts = self.pop_to_mark()?;
                    self.extend(parts)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(vec![key, value])?;
                }
                b'u' => {
                    let parts = self.pop_to_mark()?;
                    self.insert(parts)?;
                }
                b'q' => {
                    let number = u32::from(self.take(1)?[0]);
                    self.remember(number)?;
                }
                b'r' => {
                    let number = u32::from_le_bytes(self.array()?);
                    self.remember(number)?;
                }
                0x94 => {
                    let number = u32::try_from(self.memo.len()).map_err(|_| "too many names")?;
                    self.remember(number)?;
                }
                b'h' => {
                    let number = u32::from(self.take(1)?[0]);
                    self.recall(number)?;
                }
                b'j' => {
                    let number = u32::from_le_bytes(self.array()?);
                    self.recall(number)?;
                }
                b'R' | 0x81 => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    if !matches!(self.nodes[callable], Node::Plain(Value::Name(_))) {
                        return Err("a call of what has no name".to_owned());
                    }
                    self.push(Node::Call {
                        callable,
                        arguments,
                        state: None,
                    });
                }
                b'b' => {
                    let given = self.pop()?;
                    let object = *self.stack.last().ok_or("an empty stack")?;
                    let Node::Call { state, .. } = &mut self.nodes[object] else {
                        return Err("a state for what is no object".to_owned());
                    };
                    *state = Some(given);
                }
                _ => {
                    return Err(format!(
                        "instruction {code:#04x} at byte {begin} is not read"
                    ));
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("the pickle ends too early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A length in N bytes, the lowest first.
    fn length<const N: usize>(&mut self) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(wide))
            .map_err(|_| "a length beyond all files".to_owned())
    }

    fn int<const N: usize>(&mut self, read: fn([u8; N]) -> i64) -> Result<(), String> {
        let value = read(self.array()?);
        self.plain(Value::Int(value));
        Ok(())
    }

    /// An integer of any length, of which up to eight bytes are read.
    fn long(&mut self) -> Result<(), String> {
        let length = self.length::<1>()?;
        if length > 8 {
            return Err("an integer of more than 64 bits".to_owned());
        }
        let bytes = self.take(length)?;
        let sign = if bytes.last().is_some_and(|top| top & 0x80 != 0) {
            0xff
        } else {
            0
        };
        let mut wide = [sign; 8];
        wide[..length].copy_from_slice(bytes);
        self.plain(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn bytes_of<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        let bytes = self.take(length)?.to_vec();
        self.plain(Value::Bytes(bytes));
        Ok(())
    }

    fn text_of<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        let text = String::from_utf8(self.take(length)?.to_vec());
        self.plain(Value::Text(text.map_err(|_| "a text that is not UTF-8")?));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|b| *b == b'\n')
            .ok_or("the pickle ends too early")?;
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(text)
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn plain(&mut self, value: Value) {
        self.push(Node::Plain(value));
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        if module.len() + name.len() >= LONGEST_NAME {
            return Err(format!("a name of more than {LONGEST_NAME} bytes"));
        }
        self.plain(Value::Name(format!("{module}.{name}")));
        Ok(())
    }

    fn pop(&mut self) -> Result<usize, String> {
        self.stack.pop().ok_or_else(|| "an empty stack".to_owned())
    }

    fn pop_text(&mut self) -> Result<String, String> {
        let node = self.pop()?;
        match &self.nodes[node] {
            Node::Plain(Value::Text(text)) if text.len() < LONGEST_NAME => Ok(text.clone()),
            _ => Err("a name that is no short text".to_owned()),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<usize>, String> {
        let is_mark = |node: &usize| matches!(self.nodes[*node], Node::Mark);
        let mark = self
            .stack
            .iter()
            .rposition(is_mark)
            .ok_or("no mark to go back to")?;
        let parts = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(parts)
    }

    fn extend(&mut self, parts: Vec<usize>) -> Result<(), String> {
        let list = *self.stack.last().ok_or("an empty stack")?;
        match &mut self.nodes[list] {
            Node::Sequence(all) => all.extend(parts),
            _ => return Err("an item for what is no list".to_owned()),
        }
        Ok(())
    }

    fn insert(&mut self, parts: Vec<usize>) -> Result<(), String> {
        let dict = *self.stack.last().ok_or("an empty stack")?;
        let (pairs, rest) = parts.as_chunks::<2>();
        match &mut self.nodes[dict] {
            Node::Dict(all) if rest.is_empty() => all.extend(pairs.iter().map(|[k, v]| (*k, *v))),
            _ => return Err("items for what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, number: u32) -> Result<(), String> {
        let top = *self.stack.last().ok_or("an empty stack")?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, number: u32) -> Result<(), String> {
        let node = self.memo.get(&number).ok_or("a name that was not given")?;
        self.stack.push(*node);
        Ok(())
    }

    /// The value of a node, with that of all its parts.
    fn value(&self, node: usize, depth: usize, left: &mut Left) -> Result<Value, String> {
        let deeper = depth
            .checked_sub(1)
            .ok_or("values inside values without end")?;
        left.take(match &self.nodes[node] {
            Node::Plain(Value::Bytes(bytes)) => bytes.len(),
            Node::Plain(Value::Text(text) | Value::Name(text)) => text.len(),
            _ => 0,
        })?;
        let mut of = |node: &usize| self.value(*node, deeper, left);
        Ok(match &self.nodes[node] {
            Node::Mark => return Err("a mark where a value should be".to_owned()),
            Node::Plain(value) => value.clone(),
            Node::Sequence(parts) => {
                Value::Sequence(parts.iter().map(of).collect::<Result<_, _>>()?)
            }
            Node::Dict(parts) => {
                let mut pairs = Vec::with_capacity(parts.len());
                for (key, value) in parts {
                    pairs.push((of(key)?, of(value)?));
                }
                Value::Dict(pairs)
            }
            Node::Call {
                callable,
                arguments,
                state,
            } => {
                let (Value::Name(name), Value::Sequence(arguments)) =
                    (of(callable)?, of(arguments)?)
                else {
                    return Err("a call with what are no arguments".to_owned());
                };
                let state = match state {
                    Some(state) => Some(Box::new(of(state)?)),
                    None => None,
                };
                Value::Call {
                    name,
                    arguments,
                    state,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_python_wrote() {
        // pickle.dumps({1: [None, True, -2.5, b"x"], 300: ("é", -1)}, protocol=2..4), by Python 3.11.
        let two = b"\x80\x02}q\x00(K\x01]q\x01(N\x88G\xc0\x04\x00\x00\x00\x00\x00\x00c_codecs\nencode\nq\x02X\x01\x00\x00\x00xq\x03X\x06\x00\x00\x00latin1q\x04\x86q\x05Rq\x06eM,\x01X\x02\x00\x00\x00\xc3\xa9q\x07J\xff\xff\xff\xff\x86q\x08u.";
        let four = b"\x80\x04\x95)\x00\x00\x00\x00\x00\x00\x00}\x94(K\x01]\x94(N\x88G\xc0\x04\x00\x00\x00\x00\x00\x00C\x01x\x94eM,\x01\x8c\x02\xc3\xa9\x94J\xff\xff\xff\xff\x86\x94u.";
        let of = |bytes: Value| {
            Value::Dict(vec![
                (
                    Value::Int(1),
                    Value::Sequence(vec![
                        Value::None,
                        Value::Bool(true),
                        Value::Float(-2.5),
                        bytes,
                    ]),
                ),
                (
                    Value::Int(300),
                    Value::Sequence(vec![Value::Text("é".into()), Value::Int(-1)]),
                ),
            ])
        };
        let call = Value::Call {
            name: "_codecs.encode".into(),
            arguments: vec![Value::Text("x".into()), Value::Text("latin1".into())],
            state: None,
        };
        assert_eq!(read(two), Ok(of(call)));
        assert_eq!(read(four), Ok(of(Value::Bytes(b"x".to_vec()))));
    }

    #[test]
    fn damage_and_traps_are_told() {
        // Cut anywhere, a list inside itself, a call of a call, and lists that double with every name.
        let whole = b"\x80\x04}\x94(K\x01]\x94(N\x88eu.";
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        let itself = b"\x80\x02]q\x00h\x00a.";
        assert!(read(itself).unwrap_err().contains("without end"));
        assert!(read(b"\x80\x02]]R.").unwrap_err().contains("no name"));
        let mut doubling = b"\x80\x02Nq\x00".to_vec();
        for number in 0..30u8 {
            doubling.extend([b'h', number, b'h', number, 0x86, b'q', number + 1]);
        }
        doubling.push(b'.');
        assert!(read(&doubling).unwrap_err().contains("too many"));
    }

    /// A few bytes that name one long text again and again would fill any memory.
    #[test]
    fn texts_that_are_named_again_are_counted() {
        let again = |text: &[u8], times: usize, each: &[u8]| {
            let mut bytes = b"\x80\x02]q\x00(".to_vec();
            bytes.extend(text);
            bytes.extend(b"q\x01");
            bytes.extend(each.repeat(times));
            bytes.extend(b"e.");
            read(&bytes)
        };
        let long = |code: u8| [&[code, 0, 0, 1, 0][..], &[b'x'; 1 << 16]].concat();
        for code in *b"XBT" {
            assert!(again(&long(code), 15, b"h\x01").is_ok(), "{code}");
            let error = again(&long(code), 20_000, b"h\x01").unwrap_err();
            assert_eq!(error, "too many texts", "{code}");
        }
        // Names of calls, and names that are put together.
        let name = [&b"c"[..], &[b'x'; 300], b"\nn\n"].concat();
        let error = again(&name, 1, b"h\x01").unwrap_err();
        assert_eq!(error, "a name of more than 256 bytes");
        let error = again(&long(b'X'), 1, b"h\x01h\x01\x93").unwrap_err();
        assert_eq!(error, "a name that is no short text");
        let name = [&b"c"[..], &[b'x'; 200], b"\nn\n"].concat();
        let error = again(&name, 20_000, b"h\x01)R").unwrap_err();
        assert_eq!(error, "too many texts");
    }
}
