//! Which gates of a cell decide how long it remembers, by the names that the literature gives them.

use super::CellInfo;

/// Gates by their place in `CellInfo::gate_order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Near 1 keeps what was there (f of an LSTM, z of a GRU).
    pub keeps: Option<usize>,
    /// Near 1 lets new values in (i of an LSTM, f of an MGU, z of a minimal GRU).
    pub admits: Option<usize>,
}

impl Memory {
    /// Neither where the cell has no gate that keeps.
    pub fn of(info: &CellInfo) -> Self {
        let place = |gate: &str| info.gate_order.iter().position(|&name| name == gate);
        match info.gate_order {
            // h_t = (1 - f) h + f n and h_t = (1 - z) h + z n: the one gate says how much is new.
            ["f", "n"] | ["z", "h"] => Memory { keeps: None, admits: Some(0) },
            // h_t = (1 - z) n + z h
            ["r", "z", "n"] => Memory { keeps: Some(1), admits: None },
            _ if place("f").is_some() => Memory { keeps: place("f"), admits: place("i") },
            _ => Memory::default(),
        }
    }

    pub fn is_gated(self) -> bool {
        self.keeps.or(self.admits).is_some()
    }
}
