//! One hot piece, so many times over: what `contrib/bench/instructions` runs under callgrind. Counting two different numbers of times
//! and taking the difference leaves out the start of the program and the making of the input.

mod cases;

use cases::Outcome;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [case, times] = words.as_slice() else {
        return Err("usage: bench_instructions unstuff|plan TIMES".into());
    };
    let times: usize = times.parse()?;
    let mut total = 0;
    match case.as_str() {
        "unstuff" => {
            let stream = cases::stream(4 << 20);
            for _ in 0..times {
                total += cases::unstuff(std::hint::black_box(&stream))?;
            }
        }
        "plan" => {
            let (listing, records) = (cases::listing(20_000)?, cases::records(20_000)?);
            for _ in 0..times {
                total += cases::planned(std::hint::black_box(&listing), &records);
            }
        }
        _ => return Err("there is no such case".into()),
    }
    println!("{case} {total}");
    Ok(())
}
