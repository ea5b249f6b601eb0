//! The index of a zipped PyTorch checkpoint: which tensor lies in which storage, at which strides.
//!
//! The pickle is interpreted as data. Classes are never looked up and nothing is called: what is not a container,
//! a number, a string, a storage or a tensor becomes [`Value::Opaque`] and is left out.

use super::zip::{self, Member};
use super::{Entry, IndexError, StoredType, malformed};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::rc::Rc;

/// A pickle only names tensors; one larger than this is no checkpoint.
const LARGEST_PICKLE_BYTES: u64 = 256 << 20;
/// Nesting of dictionaries that is followed ("ema", then the state dict, with room to spare).
const DEEPEST_NESTING: usize = 6;
/// Entries visited in all, so that containers that hold each other cannot keep the reader busy.
const MOST_ENTRIES: usize = 1 << 20;
/// Arguments of a call that are looked at; a tensor has seven.
const MOST_ARGUMENTS: usize = 8;

/// Containers lie in the machine's arena: they may hold each other to any depth, and dropping them is flat.
#[derive(Debug, Clone)]
enum Value {
    Int(i64),
    Text(Rc<str>),
    /// `module.name` of a class or function.
    Global(Rc<str>),
    /// A tuple or a list: its place in the arena.
    List(usize),
    /// Keys and values in turn: their place in the arena.
    Dict(usize),
    Storage(Rc<Storage>),
    Tensor(Rc<TensorPlace>),
    Opaque,
}

#[derive(Debug)]
struct Storage {
    stored_type: StoredType,
    key: Rc<str>,
}

#[derive(Debug)]
struct TensorPlace {
    storage: Rc<Storage>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Reads the index of a zipped PyTorch file; keys of nested dictionaries are joined by dots.
pub(super) fn read_index(file: &mut File, file_length: u64) -> Result<BTreeMap<String, Entry>, IndexError> {
    let members = zip::read_directory(file, file_length)?;
    let (name, member) = members
        .iter()
        .find(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or_else(|| malformed("a zip archive without data.pkl is no PyTorch checkpoint"))?;
    if member.length > LARGEST_PICKLE_BYTES {
        return Err(malformed("its data.pkl is too large for a checkpoint's index"));
    }
    let offset = zip::content_offset(file, file_length, name, *member)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut pickle = Vec::new();
    file.by_ref().take(member.length).read_to_end(&mut pickle)?;
    let mut machine = Machine::new(&pickle);
    let root = machine.run()?;
    let mut flattened = Flattened {
        arena: &machine.arena,
        visited: 0,
        places: Vec::new(),
    };
    flattened.add("", &root, 0)?;
    let folder = name.strip_suffix("data.pkl").unwrap_or_default();
    let mut offsets = HashMap::new();
    let mut entries = BTreeMap::new();
    for (key, place) in flattened.places {
        let storage_name = format!("{folder}data/{}", place.storage.key);
        let (offset, length) = match offsets.get(&storage_name) {
            Some(known) => *known,
            None => {
                let member: Member = *members
                    .get(&storage_name)
                    .ok_or_else(|| malformed(format!("`{key}` has no data: `{storage_name}` is missing")))?;
                let found = (
                    zip::content_offset(file, file_length, &storage_name, member)?,
                    member.length,
                );
                offsets.insert(storage_name, found);
                found
            }
        };
        let entry = entry(&place, offset, length)
            .ok_or_else(|| malformed(format!("`{key}` reaches over the end of its data")))?;
        entries.insert(key, entry);
    }
    Ok(entries)
}

/// Joins a tensor's description with the place of its storage; None where it does not fit into it.
fn entry(place: &TensorPlace, storage_offset: u64, storage_bytes: u64) -> Option<Entry> {
    let element_count = place
        .shape
        .iter()
        .try_fold(1_usize, |count, dim| count.checked_mul(*dim))?;
    let mut row_major = Vec::new();
    let mut step = 1_usize;
    for dim in place.shape.iter().rev() {
        row_major.push(step);
        step = step.checked_mul((*dim).max(1))?;
    }
    row_major.reverse();
    let is_row_major = place
        .shape
        .iter()
        .zip(&place.strides)
        .zip(&row_major)
        .all(|((dim, stride), expected)| *dim <= 1 || stride == expected);
    let mut span = usize::from(element_count > 0);
    if element_count > 0 {
        for (dim, stride) in place.shape.iter().zip(&place.strides) {
            span = span.checked_add((dim - 1).checked_mul(*stride)?)?;
        }
    }
    let size = place.storage.stored_type.size();
    let end = place.offset.checked_add(span)?.checked_mul(size)?;
    // A tensor that repeats its storage (stride 0) could claim far more elements than the file holds.
    let repeats = element_count > span;
    if end as u64 > storage_bytes || repeats || place.strides.len() != place.shape.len() {
        return None;
    }
    Some(Entry {
        stored_type: place.storage.stored_type,
        shape: place.shape.clone(),
        shard: 0,
        offset: storage_offset.checked_add((place.offset * size) as u64)?,
        span,
        strides: (!is_row_major).then(|| place.strides.clone()),
    })
}

/// Tensors found so far, by the path of keys that leads to them.
struct Flattened<'arena> {
    arena: &'arena [Vec<Value>],
    visited: usize,
    places: Vec<(String, Rc<TensorPlace>)>,
}

impl Flattened<'_> {
    fn add(&mut self, prefix: &str, value: &Value, depth: usize) -> Result<(), IndexError> {
        self.visited += 1;
        if self.visited > MOST_ENTRIES {
            return Err(malformed("its data.pkl holds too many entries for a checkpoint"));
        }
        match value {
            Value::Tensor(place) => self.places.push((prefix.to_owned(), Rc::clone(place))),
            Value::Dict(at) if depth < DEEPEST_NESTING => {
                for pair in self.arena.get(*at).map_or(&[][..], Vec::as_slice).chunks_exact(2) {
                    if let [Value::Text(key), value] = pair {
                        let joined = if prefix.is_empty() {
                            key.to_string()
                        } else {
                            format!("{prefix}.{key}")
                        };
                        self.add(&joined, value, depth + 1)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The part of the pickle virtual machine that `torch.save` uses (protocols 2 to 5).
struct Machine<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
    stack: Vec<Value>,
    /// Stack heights at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    /// Contents of all containers.
    arena: Vec<Vec<Value>>,
}

impl<'bytes> Machine<'bytes> {
    fn new(bytes: &'bytes [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            arena: Vec::new(),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'bytes [u8], IndexError> {
        let end = self.at.checked_add(count);
        let slice = end.and_then(|end| self.bytes.get(self.at..end));
        self.at = self.at.saturating_add(count);
        slice.ok_or_else(|| malformed("its data.pkl ends too early"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], IndexError> {
        self.take(N)?
            .try_into()
            .map_err(|_| malformed("its data.pkl ends too early"))
    }

    fn u8(&mut self) -> Result<u8, IndexError> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, IndexError> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Result<Value, IndexError> {
        Ok(Value::Text(String::from_utf8_lossy(self.take(length)?).into()))
    }

    fn line(&mut self) -> Result<String, IndexError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| malformed("its data.pkl ends too early"))?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, IndexError> {
        self.stack
            .pop()
            .ok_or_else(|| malformed("its data.pkl takes from an empty stack"))
    }

    fn top(&self) -> Result<&Value, IndexError> {
        self.stack
            .last()
            .ok_or_else(|| malformed("its data.pkl takes from an empty stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, IndexError> {
        let height = self
            .marks
            .pop()
            .ok_or_else(|| malformed("its data.pkl lacks a mark"))?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    /// Puts a container's contents into the arena.
    fn store(&mut self, contents: Vec<Value>) -> usize {
        self.arena.push(contents);
        self.arena.len() - 1
    }

    fn push_list(&mut self, contents: Vec<Value>) {
        let at = self.store(contents);
        self.stack.push(Value::List(at));
    }

    fn push_dict(&mut self, contents: Vec<Value>) {
        let at = self.store(contents);
        self.stack.push(Value::Dict(at));
    }

    fn push_tuple(&mut self, count: usize) -> Result<(), IndexError> {
        let height = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or_else(|| malformed("its data.pkl takes from an empty stack"))?;
        let contents = self.stack.split_off(height);
        self.push_list(contents);
        Ok(())
    }

    /// Adds to the container on top of the stack; anything else there is opaque and stays so.
    fn extend_top(&mut self, contents: Vec<Value>) -> Result<(), IndexError> {
        if let Value::Dict(at) | Value::List(at) = *self.top()?
            && let Some(container) = self.arena.get_mut(at)
        {
            container.extend(contents);
        }
        Ok(())
    }

    fn contents(&self, value: &Value) -> &[Value] {
        match value {
            Value::List(at) | Value::Dict(at) => self.arena.get(*at).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), IndexError> {
        let value = self.top()?.clone();
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), IndexError> {
        let value = self
            .memo
            .get(&key)
            .cloned()
            .ok_or_else(|| malformed("its data.pkl refers to something it has not stored"))?;
        self.stack.push(value);
        Ok(())
    }

    /// What calling a class or function would give, for the few that a state dict is made of.
    fn reduce(&mut self, callee: &Value, arguments: &Value) -> Value {
        let Value::Global(callee) = callee else {
            return Value::Opaque;
        };
        let arguments: Vec<Value> = self
            .contents(arguments)
            .iter()
            .take(MOST_ARGUMENTS)
            .cloned()
            .collect();
        match callee.as_ref() {
            // Its items follow by SETITEMS.
            "collections.OrderedDict" => Value::Dict(self.store(Vec::new())),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => self.tensor(&arguments),
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                arguments.into_iter().next().unwrap_or(Value::Opaque)
            }
            _ => Value::Opaque,
        }
    }

    fn tensor(&self, arguments: &[Value]) -> Value {
        let [Value::Storage(storage), Value::Int(offset), shape, strides, ..] = arguments else {
            return Value::Opaque;
        };
        match (usize::try_from(*offset), self.sizes(shape), self.sizes(strides)) {
            (Ok(offset), Some(shape), Some(strides)) => Value::Tensor(Rc::new(TensorPlace {
                storage: Rc::clone(storage),
                offset,
                shape,
                strides,
            })),
            _ => Value::Opaque,
        }
    }

    fn sizes(&self, value: &Value) -> Option<Vec<usize>> {
        let Value::List(_) = value else { return None };
        self.contents(value)
            .iter()
            .map(|value| match value {
                Value::Int(size) => usize::try_from(*size).ok(),
                _ => None,
            })
            .collect()
    }

    fn run(&mut self) -> Result<Value, IndexError> {
        loop {
            let opcode = self.u8()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), IndexError> {
        match opcode {
            0x80 => drop(self.take(1)?), // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?.clone()),
            b'}' => self.push_dict(Vec::new()),
            b']' | b')' => self.push_list(Vec::new()),
            b't' | b'l' => {
                let contents = self.pop_to_mark()?;
                self.push_list(contents);
            }
            0x85..=0x87 => self.push_tuple(usize::from(opcode - 0x84))?,
            b'd' => {
                let contents = self.pop_to_mark()?;
                self.push_dict(contents);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_top(vec![key, value])?;
            }
            b'a' => {
                let value = self.pop()?;
                self.extend_top(vec![value])?;
            }
            b'u' | b'e' => {
                let contents = self.pop_to_mark()?;
                self.extend_top(contents)?;
            }
            b'q' => {
                let key = u32::from(self.u8()?);
                self.remember(key)?;
            }
            b'r' => {
                let key = self.u32()?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?, // MEMOIZE
            b'h' => {
                let key = u32::from(self.u8()?);
                self.recall(key)?;
            }
            b'j' => {
                let key = self.u32()?;
                self.recall(key)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = persistent(self.contents(&id));
                self.stack.push(storage);
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let value = self.reduce(&callee, &arguments);
                self.stack.push(value);
            }
            b'b' => drop(self.pop()?), // BUILD: an object's state; containers keep what they hold
            _ => self.step_scalar(opcode)?,
        }
        Ok(())
    }

    /// Opcodes that push one value that contains nothing else.
    fn step_scalar(&mut self, opcode: u8) -> Result<(), IndexError> {
        let value = match opcode {
            b'N' | 0x88 | 0x89 => Value::Opaque,
            0x8f => Value::Opaque, // EMPTY_SET
            0x90 => {
                // ADDITEMS: into a set, which is opaque
                self.pop_to_mark()?;
                return Ok(());
            }
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.u8()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            0x8a => {
                let length = usize::from(self.u8()?);
                long(self.take(length)?)
            }
            b'G' => {
                self.take(8)?;
                Value::Opaque
            }
            b'X' | b'T' => {
                let length = self.u32()? as usize;
                self.text(length)?
            }
            0x8c | b'U' => {
                let length = usize::from(self.u8()?);
                self.text(length)?
            }
            b'C' => {
                let length = usize::from(self.u8()?);
                self.take(length)?;
                Value::Opaque
            }
            b'B' => {
                let length = self.u32()? as usize;
                self.take(length)?;
                Value::Opaque
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Value::Global(format!("{module}.{name}").into())
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (module, name) {
                    (Value::Text(module), Value::Text(name)) => {
                        Value::Global(format!("{module}.{name}").into())
                    }
                    _ => Value::Opaque,
                }
            }
            other => {
                return Err(malformed(format!(
                    "its data.pkl holds the unknown operation 0x{other:02x}"
                )));
            }
        };
        self.stack.push(value);
        Ok(())
    }
}

/// A little-endian two's-complement integer; larger ones than any size are opaque.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Opaque;
    }
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if is_negative { 0xFF } else { 0 }; 8];
    for (target, byte) in wide.iter_mut().zip(bytes) {
        *target = *byte;
    }
    Value::Int(i64::from_le_bytes(wide))
}

/// A storage's persistent id: ("storage", class, key, device, element count).
fn persistent(id: &[Value]) -> Value {
    let [_, Value::Global(class), Value::Text(key), ..] = id else {
        return Value::Opaque;
    };
    let stored_type = match class.rsplit('.').next() {
        Some("DoubleStorage") => StoredType::F64,
        Some("FloatStorage") => StoredType::F32,
        Some("HalfStorage") => StoredType::F16,
        Some("BFloat16Storage") => StoredType::Bf16,
        _ => StoredType::Other,
    };
    Value::Storage(Rc::new(Storage {
        stored_type,
        key: Rc::clone(key),
    }))
}
