//! Whether the coded data of a JPEG lead to the end of its image.
//!
//! Decoders make up what is missing: they read zeros behind the last bit, and an image whose middle was lost comes out
//! whole, the rest in grey or constant rows. So the codes are followed once without making pixels of them, in
//! sequential and progressive scans (ISO 10918-1 annex F and G) and in those by prediction (annex H).

use super::huffman::{Bits, Fault, Table};
use super::segments::Segments;

/// Most scans of one image; encoders make about ten, and each costs a walk over the image.
const MOST_SCANS: usize = 256;

/// One component of the frame.
struct Component {
    name: u8,
    /// Samples of it across and down in one unit of the scan that interleaves all.
    across: usize,
    down: usize,
    /// By block, from the upper left: which of its 64 coefficients were coded as other than 0 so far (progressive
    /// only).
    coded: Vec<u64>,
    /// Whether a scan held its first coefficients, or its samples.
    begun: bool,
}

impl Component {
    /// Whether the coefficient of a block was coded as other than 0; marks it if `now` is.
    fn mark(&mut self, block: usize, place: u32, now: bool) -> bool {
        let bits = &mut self.coded[block];
        let before = *bits >> place & 1 == 1;
        *bits |= u64::from(now) << place;
        before
    }
}

/// How samples are coded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Sequential,
    Progressive,
    Lossless,
}

struct Image {
    process: Process,
    height: usize,
    width: usize,
    components: Vec<Component>,
    /// For DC (or samples) and AC.
    tables: [[Option<Table>; 4]; 2],
    /// Units between restart markers, 0 for none.
    interval: usize,
}

/// What a scan says of itself.
struct Scan {
    /// Places of its components, with their tables for DC and AC.
    parts: Vec<(usize, usize, usize)>,
    first: u32,
    last: u32,
    /// Whether it refines what earlier scans coded.
    refines: bool,
}

/// Follows every scan of a JPEG whose size was checked. Codings that no decoder here reads are left to the decoder's
/// refusal.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = || "the JPEG is damaged: its headers contradict each other".to_owned();
    let mut image = Image {
        process: Process::Sequential,
        height: 0,
        width: 0,
        components: Vec::new(),
        tables: Default::default(),
        interval: 0,
    };
    let mut scans = 0;
    let mut segments = Segments::new(bytes);
    while let Some(segment) = segments.next()? {
        match segment.marker {
            0xc0..=0xc3 => image
                .frame(segment.marker, segment.body)
                .ok_or_else(damaged)?,
            0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return Ok(()),
            0xc4 => image.tables(segment.body).ok_or_else(damaged)?,
            0xdd => {
                let [high, low] = *segment.body else {
                    return Err(damaged());
                };
                image.interval = usize::from(high) << 8 | usize::from(low);
            }
            0xda => {
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(format!("the JPEG has more than {MOST_SCANS} scans"));
                }
                let scan = image.scan(segment.body).ok_or_else(damaged)?;
                image.follow(&scan, Bits::new(bytes, segment.end))?;
            }
            _ => {}
        }
    }
    match image
        .components
        .iter()
        .position(|component| !component.begun)
    {
        None => Ok(()),
        Some(at) => Err(format!(
            "the JPEG is cut off: nothing is there of component {} of {}",
            at + 1,
            image.components.len()
        )),
    }
}

impl Image {
    fn frame(&mut self, marker: u8, body: &[u8]) -> Option<()> {
        let [_, h1, h0, w1, w0, count, ref rest @ ..] = *body else {
            return None;
        };
        if !self.components.is_empty() || count == 0 || rest.len() != 3 * usize::from(count) {
            return None;
        }
        self.process = match marker {
            0xc2 => Process::Progressive,
            0xc3 => Process::Lossless,
            _ => Process::Sequential,
        };
        self.height = usize::from(h1) << 8 | usize::from(h0);
        self.width = usize::from(w1) << 8 | usize::from(w0);
        for component in rest.chunks_exact(3) {
            let (across, down) = (component[1] >> 4, component[1] & 15);
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return None;
            }
            self.components.push(Component {
                name: component[0],
                across: across.into(),
                down: down.into(),
                coded: Vec::new(),
                begun: false,
            });
        }
        if self.process == Process::Progressive {
            for at in 0..self.components.len() {
                let [rows, columns] = self.units(at);
                self.components[at].coded = vec![0; rows * columns];
            }
        }
        Some(())
    }

    fn tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let [kind, rest @ ..] = body {
            let counts: &[u8; 16] = rest.get(..16)?.try_into().ok()?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(16..16 + total)?;
            let table = Table::new(counts, symbols)?;
            let place = self.tables.get_mut(usize::from(kind >> 4))?;
            *place.get_mut(usize::from(kind & 15))? = Some(table);
            body = &rest[16 + total..];
        }
        Some(())
    }

    fn scan(&self, body: &[u8]) -> Option<Scan> {
        let [count, ref rest @ ..] = *body else {
            return None;
        };
        let parts = rest.get(..2 * usize::from(count))?;
        let &[first, last, bits] = rest.get(2 * usize::from(count)..)? else {
            return None;
        };
        let parts: Vec<(usize, usize, usize)> = parts
            .chunks_exact(2)
            .map(|part| {
                let at = self.components.iter().position(|c| c.name == part[0])?;
                Some((at, usize::from(part[1] >> 4), usize::from(part[1] & 15)))
            })
            .collect::<Option<_>>()?;
        let progressive = self.process == Process::Progressive;
        let fits = !progressive || (first <= last && last < 64 && (first == 0 || count == 1));
        let tables = parts.iter().all(|&(_, dc, ac)| dc < 4 && ac < 4);
        (!parts.is_empty() && fits && tables).then_some(Scan {
            parts,
            first: first.into(),
            last: if progressive { last.into() } else { 63 },
            refines: progressive && bits >> 4 > 0,
        })
    }

    /// Rows and columns of the blocks (of the samples, without loss) that a scan of one component alone has.
    fn units(&self, at: usize) -> [usize; 2] {
        let component = &self.components[at];
        let [down, across] = self.most();
        let side = self.block();
        [
            (self.height * component.down).div_ceil(down).div_ceil(side),
            (self.width * component.across)
                .div_ceil(across)
                .div_ceil(side),
        ]
    }

    /// The greatest numbers of samples down and across.
    fn most(&self) -> [usize; 2] {
        let components = || self.components.iter();
        [
            components()
                .map(|component| component.down)
                .max()
                .unwrap_or(1),
            components()
                .map(|component| component.across)
                .max()
                .unwrap_or(1),
        ]
    }

    /// Side of what is coded at once.
    fn block(&self) -> usize {
        if self.process == Process::Lossless {
            1
        } else {
            8
        }
    }

    /// Follows one scan to its end.
    fn follow(&mut self, scan: &Scan, mut bits: Bits<'_>) -> Result<(), String> {
        let units = match scan.parts.as_slice() {
            [(at, ..)] => self.units(*at),
            _ => {
                let [down, across] = self.most();
                let side = self.block();
                [
                    self.height.div_ceil(down * side),
                    self.width.div_ceil(across * side),
                ]
            }
        };
        let total = units[0] * units[1];
        let mut run = 0;
        for unit in 0..total {
            let done = (|| {
                if self.interval > 0 && unit > 0 && unit % self.interval == 0 {
                    bits.restart()?;
                    run = 0;
                }
                for &(at, dc, ac) in &scan.parts {
                    let blocks = match scan.parts.len() {
                        1 => 1,
                        _ => self.components[at].down * self.components[at].across,
                    };
                    for _ in 0..blocks {
                        self.unit(scan, at, [dc, ac], unit, &mut run, &mut bits)?;
                    }
                }
                Ok(())
            })();
            done.map_err(|fault| match fault {
                Fault::Short => format!(
                    "the JPEG is cut off: its coded data end after {unit} of {total} blocks"
                ),
                Fault::Damaged => {
                    format!(
                        "the JPEG is damaged: no code in block {} of {total}",
                        unit + 1
                    )
                }
            })?;
        }
        if scan.first == 0 || self.process != Process::Progressive {
            for &(at, ..) in &scan.parts {
                self.components[at].begun = true;
            }
        }
        Ok(())
    }

    /// One block, or one sample.
    fn unit(
        &mut self,
        scan: &Scan,
        at: usize,
        [dc, ac]: [usize; 2],
        block: usize,
        run: &mut u32,
        bits: &mut Bits<'_>,
    ) -> Result<(), Fault> {
        let [dc, ac] = [&self.tables[0][dc], &self.tables[1][ac]];
        match self.process {
            Process::Lossless => {
                let length = bits.symbol(dc.as_ref().ok_or(Fault::Damaged)?)?;
                // 16 stands for 32768, which needs no bits (H.1.2.2).
                match length {
                    0..=15 => bits.take(length).map(drop),
                    16 => Ok(()),
                    _ => Err(Fault::Damaged),
                }
            }
            Process::Sequential => {
                let length = bits.symbol(dc.as_ref().ok_or(Fault::Damaged)?)?;
                if length > 16 {
                    return Err(Fault::Damaged);
                }
                bits.take(length)?;
                let ac = ac.as_ref().ok_or(Fault::Damaged)?;
                let mut place = 1;
                while place < 64 {
                    let symbol = bits.symbol(ac)?;
                    match (symbol >> 4, symbol & 15) {
                        (15, 0) => place += 16,
                        (_, 0) => break,
                        (zeros, length) => {
                            place += u32::from(zeros) + 1;
                            bits.take(length)?;
                        }
                    }
                }
                if place > 64 {
                    Err(Fault::Damaged)
                } else {
                    Ok(())
                }
            }
            Process::Progressive if scan.first == 0 && scan.refines => bits.take(1).map(drop),
            Process::Progressive if scan.first == 0 => {
                let length = bits.symbol(dc.as_ref().ok_or(Fault::Damaged)?)?;
                if length > 16 {
                    return Err(Fault::Damaged);
                }
                bits.take(length).map(drop)
            }
            Process::Progressive => {
                let ac = ac.as_ref().ok_or(Fault::Damaged)?;
                let component = &mut self.components[at];
                if scan.refines {
                    refined(scan, component, block, ac, run, bits)
                } else {
                    first(scan, component, block, ac, run, bits)
                }
            }
        }
    }
}

/// The first bits of a band of coefficients (G.1.2.2).
fn first(
    scan: &Scan,
    component: &mut Component,
    block: usize,
    table: &Table,
    run: &mut u32,
    bits: &mut Bits<'_>,
) -> Result<(), Fault> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut place = scan.first;
    while place <= scan.last {
        let symbol = bits.symbol(table)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => place += 16,
            (length, 0) => {
                *run = (1 << length) - 1 + bits.take(length)?;
                return Ok(());
            }
            (zeros, length) => {
                place += u32::from(zeros);
                bits.take(length)?;
                if place > scan.last {
                    return Err(Fault::Damaged);
                }
                component.mark(block, place, true);
                place += 1;
            }
        }
    }
    Ok(())
}

/// One more bit of a band of coefficients (G.1.2.3).
fn refined(
    scan: &Scan,
    component: &mut Component,
    block: usize,
    table: &Table,
    run: &mut u32,
    bits: &mut Bits<'_>,
) -> Result<(), Fault> {
    let mut place = scan.first;
    if *run == 0 {
        while place <= scan.last {
            let symbol = bits.symbol(table)?;
            let (mut zeros, length) = (symbol >> 4, symbol & 15);
            match (zeros, length) {
                (15, 0) => {}
                (length, 0) => {
                    *run = (1 << length) + bits.take(length)?;
                    break;
                }
                (_, 1) => {
                    bits.take(1)?;
                }
                _ => return Err(Fault::Damaged),
            }
            while place <= scan.last {
                if component.mark(block, place, false) {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                place += 1;
            }
            if length == 1 {
                if place > scan.last {
                    return Err(Fault::Damaged);
                }
                component.mark(block, place, true);
            }
            place += 1;
        }
    }
    if *run > 0 {
        for place in place..=scan.last {
            if component.mark(block, place, false) {
                bits.take(1)?;
            }
        }
        *run -= 1;
    }
    Ok(())
}
