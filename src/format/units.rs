//! Byte sizes with units: `4 GiB`, `512 MB`.

/// Reads a size with a unit, in bytes: `B`, `KiB` … `PiB` (powers of 1024, IEC 80000-13) and `kB`
/// … `PB` (powers of 1000). `None` when `text` is not a number with one of these units.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "PiB" => 1 << 50,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "PB" => 1_000_000_000_000_000,
        _ => return None,
    };
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(factor),
        Some((whole, fraction)) => fractional(whole, fraction, factor),
    }
}

/// Returns `whole.fraction × factor` when that is a whole number of bytes.
fn fractional(whole: &str, fraction: &str, factor: u64) -> Option<u64> {
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let product = digits.checked_mul(u128::from(factor))?;
    (product % scale == 0).then(|| u64::try_from(product / scale).ok())?
}

/// Returns `bytes` with the largest binary unit that divides it, for people: `4 GiB`.
pub fn readable(bytes: u64) -> Option<String> {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB")];
    let (shift, unit) =
        units.iter().find(|(shift, _)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift))?;
    Some(format!("{} {unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_or_refused() {
        assert_eq!(bytes("4 GiB"), Some(4 << 30));
        assert_eq!(bytes("1.5GiB"), Some(3 << 29));
        assert_eq!(bytes("512 MB"), Some(512_000_000));
        for bad in ["4", "4 gigs", "GiB", "0.3 B", "1.2.3 KiB", "99999999999 PiB", ""] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!(readable(4 << 30).as_deref(), Some("4 GiB"));
        assert_eq!(readable(1000), None);
    }
}
