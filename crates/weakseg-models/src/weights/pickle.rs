//! Which globals a pickle names, found without running it.
//!
//! A pickle is a program: `GLOBAL` and `STACK_GLOBAL` fetch a Python object by name and `REDUCE` calls it. The reader
//! below us calls nothing, whatever the name; but a file that asks for `os.system` should be refused in so many words,
//! not read as a file of weights with an odd entry. So every name is compared with a short list first.

use std::collections::BTreeMap;

/// What a state dict, and the counters and settings that usually lie beside it, are made of.
const ALLOWED: [&str; 47] = [
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.set",
    "__builtin__.bytearray",
    "__builtin__.set",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "builtins.dict",
    "__builtin__.dict",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.BFloat16Storage",
    "torch.BoolStorage",
    "torch.ByteStorage",
    "torch.CharStorage",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.IntStorage",
    "torch.LongStorage",
    "torch.ShortStorage",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.bfloat16",
    "torch.bool",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch.uint16",
    "torch.uint32",
    "torch.uint8",
];

/// Why a pickle is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// It names something that weights are not made of.
    Global(String),
    /// It is cut off or no pickle.
    Malformed(String),
}

/// Walks one pickle from the start of `bytes` to its `STOP`; returns its length in bytes.
pub(super) fn scan(bytes: &[u8]) -> Result<usize, Refusal> {
    let mut scan = Scan {
        rest: bytes,
        last: [None, None],
        memo: BTreeMap::new(),
        memoized: 0,
    };
    while scan.step()? {}
    Ok(bytes.len() - scan.rest.len())
}

struct Scan<'a> {
    rest: &'a [u8],
    /// The two newest values of the stack, as far as they are strings that were pushed one after the other.
    last: [Option<String>; 2],
    /// Strings that were noted for later use, by number.
    memo: BTreeMap<u32, Option<String>>,
    /// Values noted by `MEMOIZE`, which counts by itself.
    memoized: u32,
}

impl Scan<'_> {
    /// Reads one opcode; false at `STOP`.
    fn step(&mut self) -> Result<bool, Refusal> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),
            // PROTO, FRAME: nothing happens to the stack.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            // Strings.
            b'S' | b'V' => {
                let text = self.line()?;
                self.push(Some(text));
            }
            b'U' | 0x8c => self.string(1)?,
            b'T' | b'X' => self.string(4)?,
            0x8d => self.string(8)?,
            // GLOBAL, INST.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                judge(&module, &name)?;
                self.forget();
            }
            // STACK_GLOBAL.
            0x93 => match std::mem::take(&mut self.last) {
                [Some(module), Some(name)] => judge(&module, &name)?,
                _ => return Err(Refusal::Global("(a name that is computed)".to_owned())),
            },
            // The extension registry: names behind numbers.
            0x82..=0x84 => return Err(Refusal::Global("(an extension code)".to_owned())),
            // PUT, BINPUT, LONG_BINPUT, MEMOIZE.
            b'p' => {
                let number = self.line_number()?;
                self.note(number);
            }
            b'q' => {
                let number = self.number(1)?;
                self.note(number);
            }
            b'r' => {
                let number = self.number(4)?;
                self.note(number);
            }
            0x94 => {
                self.note(self.memoized.into());
                self.memoized = self.memoized.saturating_add(1);
            }
            // GET, BINGET, LONG_BINGET.
            b'g' => {
                let number = self.line_number()?;
                self.recall(number);
            }
            b'h' => {
                let number = self.number(1)?;
                self.recall(number);
            }
            b'j' => {
                let number = self.number(4)?;
                self.recall(number);
            }
            // Everything else only matters by its length.
            b'I' | b'L' | b'F' | b'P' => {
                self.line()?;
                self.forget();
            }
            b'J' => self.skip(4)?,
            b'K' => self.skip(1)?,
            b'M' => self.skip(2)?,
            b'G' => self.skip(8)?,
            b'C' | 0x8a => self.skip_counted(1)?,
            b'B' | 0x8b => self.skip_counted(4)?,
            0x8e | 0x96 => self.skip_counted(8)?,
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'R'
            | b'b'
            | b'd'
            | b'l'
            | b't'
            | b's'
            | b'a'
            | b')'
            | b']'
            | b'}'
            | b'e'
            | b'u'
            | b'Q'
            | b'o'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x92
            | 0x97
            | 0x98 => self.forget(),
            other => {
                return Err(Refusal::Malformed(format!(
                    "byte {other:#04x} is no pickle opcode"
                )));
            }
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Refusal> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| Refusal::Malformed("the pickle is cut off".to_owned()))?;
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Result<String, Refusal> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| Refusal::Malformed("the pickle is cut off".to_owned()))?;
        let text = String::from_utf8_lossy(&self.take(end + 1)?[..end]).into_owned();
        Ok(text.trim_end_matches('\r').to_owned())
    }

    fn line_number(&mut self) -> Result<u64, Refusal> {
        let text = self.line()?;
        text.trim()
            .parse()
            .map_err(|_| Refusal::Malformed(format!("`{text}` is no memo number")))
    }

    /// A little-endian number of 1, 2, 4 or 8 bytes.
    fn number(&mut self, width: usize) -> Result<u64, Refusal> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn counted(&mut self, width: usize) -> Result<&[u8], Refusal> {
        let length = self.number(width)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn string(&mut self, width: usize) -> Result<(), Refusal> {
        let text = String::from_utf8_lossy(self.counted(width)?).into_owned();
        self.push(Some(text));
        Ok(())
    }

    fn skip(&mut self, length: usize) -> Result<(), Refusal> {
        self.take(length)?;
        self.forget();
        Ok(())
    }

    fn skip_counted(&mut self, width: usize) -> Result<(), Refusal> {
        self.counted(width)?;
        self.forget();
        Ok(())
    }

    fn push(&mut self, value: Option<String>) {
        let [_, newest] = std::mem::take(&mut self.last);
        self.last = [newest, value];
    }

    fn forget(&mut self) {
        self.last = [None, None];
    }

    fn note(&mut self, number: u64) {
        let top = self.last[1].clone();
        if let Ok(number) = u32::try_from(number) {
            // Only short strings can be a module or a name; long ones would let a small file fill the memory.
            self.memo
                .insert(number, top.filter(|text| text.len() < 256));
        }
    }

    fn recall(&mut self, number: u64) {
        let known = u32::try_from(number).ok();
        let value = known.and_then(|n| self.memo.get(&n).cloned()).flatten();
        self.push(value);
    }
}

fn judge(module: &str, name: &str) -> Result<(), Refusal> {
    let global = format!("{module}.{name}");
    if ALLOWED.contains(&global.as_str()) {
        return Ok(());
    }
    Err(Refusal::Global(global))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_dict_passes_and_its_length_is_found() {
        let pickle = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01.rest";
        assert_eq!(scan(pickle), Ok(pickle.len() - 4));
    }

    #[test]
    fn a_foreign_global_is_named_in_every_spelling() {
        let os_system = Err(Refusal::Global("os.system".to_owned()));
        assert_eq!(scan(b"cos\nsystem\n(S'true'\ntR."), os_system);
        assert_eq!(scan(b"(S'true'\nios\nsystem\n."), os_system);
        assert_eq!(
            scan(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93."),
            os_system
        );
        // Through the memo.
        assert_eq!(
            scan(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94K\x01h\x00h\x01\x93."),
            os_system
        );
    }

    #[test]
    fn a_name_that_hides_behind_the_stack_is_refused() {
        // os, system, collections, OrderedDict, POP, POP, STACK_GLOBAL.
        let hidden =
            b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00\x93.";
        assert!(matches!(scan(hidden), Err(Refusal::Global(_))));
        assert!(matches!(scan(b"\x82\x01."), Err(Refusal::Global(_))));
    }

    #[test]
    fn a_cut_pickle_or_another_file_is_malformed() {
        let whole = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01.";
        for length in 0..whole.len() {
            assert!(
                matches!(scan(&whole[..length]), Err(Refusal::Malformed(_))),
                "{length}"
            );
        }
        assert!(matches!(scan(b"<!DOCTYPE"), Err(Refusal::Malformed(_))));
        // A length beyond any memory.
        let huge = b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(scan(huge), Err(Refusal::Malformed(_))));
    }
}
