//! What the colours of masks mean, beside pictures that have no page around them.

use super::colour;
use super::svg::escape;

/// Pixels from one line to the next.
const LINE: usize = 24;

/// An SVG file with a square in the colour of each class, in their order, and its name beside it.
pub fn legend(names: &[String]) -> String {
    let longest = names.iter().map(|name| name.chars().count()).max();
    // Wide enough for the widest letters.
    let (width, height) = (48 + 16 * longest.unwrap_or(0), 12 + LINE * names.len());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"16\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (class, name) in names.iter().enumerate() {
        let (top, colour) = (10 + LINE * class, colour::css(colour::class(class)));
        // XML has no control characters.
        let name = escape(&name.replace(char::is_control, " "));
        text += &format!(
            "<rect x=\"12\" y=\"{top}\" width=\"16\" height=\"16\" fill=\"{colour}\"/><text x=\"36\" y=\"{}\">{name}</text>\n",
            top + 14
        );
    }
    text + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_colour_and_its_name() {
        let text = legend(&["mass".to_owned(), "a < b\u{7}".to_owned()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(
            lines[0].starts_with("<svg ") && lines[4] == "</svg>",
            "{text}"
        );
        for (line, class, name) in [(lines[2], 0, ">mass<"), (lines[3], 1, ">a &lt; b <")] {
            let fill = format!("fill=\"{}\"", colour::css(colour::class(class)));
            assert!(line.contains(&fill) && line.contains(name), "{line}");
        }
    }
}
