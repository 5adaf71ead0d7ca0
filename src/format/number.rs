//! Decimal numbers as text: equal numbers get one spelling, whatever their size.

/// Returns the canonical spelling of a decimal number (`0.50` → `0.5`, `1.0E3` → `1000`), or
/// `None` when `text` is not one. A number with a leading zero is none: `022` is a mode or a code.
pub fn canonical(text: &str) -> Option<String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || !plain(whole) || !plain(fraction) || leading_zero {
        return None;
    }
    if mantissa.ends_with('.') || exponent.unsigned_abs() > 400 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    Some(place_point(&digits, point, negative))
}

/// Writes `digits` with the decimal point after `point` of them.
fn place_point(digits: &str, point: i32, negative: bool) -> String {
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            (format!("{digits}{}", "0".repeat(point - digits.len())), String::new())
        }
        Ok(point) => (digits[..point].to_string(), digits[point..].to_string()),
        Err(_) => {
            let zeros = "0".repeat(usize::try_from(-point).unwrap_or(0));
            (String::new(), format!("{zeros}{digits}"))
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = fraction.trim_end_matches('0');
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn equal_numbers_have_one_spelling() {
        for (text, same) in [
            ("0.50", "0.5"),
            ("0.5", "0.5"),
            ("5.36870912E9", "5368709120"),
            ("1.0E3", "1000"),
            ("-0.0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("12e-3", "0.012"),
            ("51.0", "51"),
            ("0", "0"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(same), "{text}");
        }
        for not in ["022", "", "-", "1.", ".5", "1.2.3", "0x1f", "1 2", "1e", "any", "1e999"] {
            assert_eq!(canonical(not), None, "{not}");
        }
    }
}
