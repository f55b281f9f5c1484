//! Measures the shapes of a JSON array on standard input, one result line each; for work on the kernels.

use std::io::Read;

use sluice_core::bench::{Bench, BenchCase};

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("readable input");
    let cases: Vec<BenchCase> = serde_json::from_str(&text).expect("an array of cases");
    for case in cases {
        let result = Bench::new(case).and_then(|mut bench| bench.measure()).expect("a valid case");
        println!("{}", serde_json::to_string(&result).expect("plain numbers"));
    }
}
