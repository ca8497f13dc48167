//! Tables: what is accepted, what is refused and in which words, and how patients are divided.

use std::collections::BTreeMap;

use weakseg_data::{Cases, DataConfig, LabelSpace, Split, TableConfig};

use crate::set::Set;

fn open(set: &Set, config: &TableConfig) -> Cases {
    DataConfig::Table(config.clone())
        .open_cases(set.root())
        .unwrap()
}

#[test]
fn a_table_is_read_in_its_order() {
    let (set, config) = Set::table();
    let cases = open(&set, &config);
    assert_eq!(cases.classes.names, ["mass"]);
    assert_eq!(cases.classes.space, LabelSpace::Findings);
    assert_eq!(cases.cases.len(), 20);
    let first = &cases.cases[0];
    assert_eq!(
        (first.id.as_str(), first.patient.as_deref()),
        ("p0_0", Some("p0"))
    );
    assert_eq!(first.labels, [true]);
    assert!(first.image.is_file());
    assert_eq!(cases.get("p9_1").unwrap().labels, [false]);
}

/// `name,label`, and a column more.
#[test]
fn lists_of_the_published_code_are_tables() {
    let (set, config) = Set::table();
    std::fs::remove_file(set.at("boxes.csv")).unwrap();
    let rows = |header: &str, more: [&str; 2]| {
        let rows = (0..8).map(|patient| {
            let (label, more) = (patient % 2, more[patient / 6]);
            format!("p{patient}_0,{label}{more}\n")
        });
        format!("{header}\n{}", rows.collect::<String>())
    };
    set.text("labels.csv", &rows("name,label", ["", ""]));
    let cases = open(&set, &config);
    assert_eq!(cases.classes.names, ["label"]);
    assert_eq!(cases.get("p1_0").unwrap().labels, [true]);
    set.text("labels.csv", &rows("name,label,split", [",train", ",val"]));
    assert_eq!(open(&set, &config).count(Split::Train), 6);
    // Beside a column `image`, `name` is a finding like any other, and has to say yes or no.
    let error = set.refusal("image,name\np0_0,Ann\np1_0,1\n");
    assert!(error.contains("`name`") && error.contains("Ann"), "{error}");
}

#[test]
fn blanks_byte_order_mark_and_crlf_are_no_matter() {
    let (set, config) = Set::table();
    let plain = open(&set, &config);
    let text = std::fs::read_to_string(set.at("labels.csv")).unwrap();
    let odd = text.replace(',', " , ").replace('\n', "\r\n");
    set.text("labels.csv", &format!("\u{feff} {odd}\r\n"));
    assert_eq!(open(&set, &config), plain);
    set.text(
        "labels.csv",
        &text
            .replace(".png", "")
            .replace("image,patient", "Image,Patient"),
    );
    assert_eq!(open(&set, &config), plain);
}

#[test]
fn no_patient_crosses_and_both_labels_are_spread() {
    let (set, config) = Set::table();
    let config = TableConfig {
        val_fraction: 0.4,
        test_fraction: 0.2,
        ..config
    };
    for seed in 0..20 {
        let cases = open(
            &set,
            &TableConfig {
                split_seed: seed,
                ..config.clone()
            },
        );
        let mut homes = BTreeMap::new();
        for case in &cases.cases {
            assert_eq!(
                *homes.entry(&case.patient).or_insert(case.split),
                case.split
            );
        }
        let counts = Split::ALL.map(|split| (cases.count(split), cases.positives(split, 0)));
        assert_eq!(counts, [(8, 4), (8, 4), (4, 2)], "seed {seed}");
    }
    let of = |seed| {
        open(
            &set,
            &TableConfig {
                split_seed: seed,
                ..config.clone()
            },
        )
    };
    assert_eq!(of(3), of(3));
    assert!((0..10).any(|seed| of(seed) != of(3)));
}

#[test]
fn boxed_patients_can_be_held_out() {
    let (set, config) = Set::table();
    let held = TableConfig {
        boxed_patients_held_out: true,
        val_fraction: 0.3,
        ..config
    };
    for seed in 0..10 {
        let cases = open(
            &set,
            &TableConfig {
                split_seed: seed,
                ..held.clone()
            },
        );
        for id in ["p0_0", "p0_1", "p1_0", "p1_1"] {
            assert_eq!(cases.get(id).unwrap().split, Split::Val, "{id}");
        }
        assert!(cases.positives(Split::Train, 0) >= 4);
    }
    std::fs::remove_file(set.at("boxes.csv")).unwrap();
    let error = DataConfig::Table(held)
        .open_cases(set.root())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("boxed_patients_held_out") && error.contains("boxes.csv"),
        "{error}"
    );
}

#[test]
fn a_split_column_decides() {
    let (set, config) = Set::table();
    set.text(
        "labels.csv",
        "image,patient,split,mass\np0_0,p0,train,1\np5_0,p5,Train,0\np1_0,p1,val,1\np6_0,p6,test,0\n",
    );
    let cases = open(&set, &config);
    let splits: Vec<Split> = cases.cases.iter().map(|case| case.split).collect();
    assert_eq!(
        splits,
        [Split::Train, Split::Train, Split::Val, Split::Test]
    );
    let error = set.refusal("image,split,mass\np0_0,train,1\np5_0,dev,0\n");
    assert!(
        error.contains("line 3") && error.contains("`dev`") && error.contains("train, val or test"),
        "{error}"
    );
}

#[test]
fn cases_whose_image_cannot_be_read_are_left_out_of_their_splits() {
    let (set, config) = Set::table();
    let whole = open(&set, &config);
    let data = DataConfig::Table(config);
    let without = |ids: &[&str]| {
        let why = |id: &&str| ((*id).to_owned(), "cut off; export it again".to_owned());
        data.open_readable_cases(set.root(), &ids.iter().map(why).collect())
    };
    assert_eq!(without(&[]).unwrap(), whole);
    let cases = without(&["p9_0", "p3_0", "nobody"]).unwrap();
    let left_out: Vec<&str> = cases.left_out.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(left_out, ["p3_0", "p9_0"]);
    assert_eq!(cases.left_out[0].1, "cut off; export it again");
    let [warning] = cases.warnings.as_slice() else {
        panic!("{:?}", cases.warnings);
    };
    for words in [
        "labels.csv: 2 images cannot be read: ",
        "images/p3_0.png (cut off; export it again), ",
        "they are left out",
    ] {
        assert!(warning.contains(words), "{words}: {warning}");
    }
    let others = whole.cases.iter();
    let others = others.filter(|case| !left_out.contains(&case.id.as_str()));
    assert!(cases.cases.iter().eq(others));
    // Their masks and boxes are none of nobody.
    let cases = without(&["p0_0"]).unwrap();
    let truth = data.open_truth(set.root(), &cases).unwrap();
    assert!(truth.warnings().is_empty(), "{:?}", truth.warnings());
    assert!(truth.mask("p0_0").unwrap().is_none());
    // What is left has to do.
    let positives: Vec<&str> = whole
        .cases
        .iter()
        .filter(|case| case.is_positive())
        .map(|case| case.id.as_str())
        .collect();
    let text = without(&positives).unwrap_err().to_string();
    let words = "10 images cannot be read: ";
    assert!(
        text.contains(words) && text.contains("(and 1 more;"),
        "{text}"
    );
}

#[test]
fn findings_can_be_chosen_among_columns() {
    let (set, config) = Set::table();
    set.text(
        "labels.csv",
        "image,age,mass,node\np0_0,50,1,0\np1_0,51,0,1\np5_0,61,0,0\np6_0,62,1,0\np7_0,62,0,0\n",
    );
    let chosen = TableConfig {
        findings: Some(vec!["node".into(), "mass".into()]),
        ..config.clone()
    };
    let cases = open(&set, &chosen);
    assert_eq!(cases.classes.names, ["node", "mass"]);
    assert_eq!(cases.cases[0].labels, [false, true]);
    let error = DataConfig::Table(config)
        .open_cases(set.root())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`age`: expected 0 or 1, found `50` in line 2, `51` in line 3, `61` in line 4, 2 times `62`"),
        "{error}"
    );
    assert!(error.contains("data.findings"), "{error}");
    let missing = TableConfig {
        findings: Some(vec!["effusion".into()]),
        ..chosen
    };
    let error = DataConfig::Table(missing)
        .open_cases(set.root())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "expected the columns `image`, `effusion`, found `image`, `age`, `mass`, `node`"
        ),
        "{error}"
    );
}

#[test]
fn refusals_say_where_and_what() {
    let (set, _) = Set::table();
    for (csv, parts) in [
        ("", &["labels.csv", "`image`", "found none"][..]),
        (
            "image;patient;mass\np0_0;p0;1\n",
            &[
                "expected the columns `image`",
                "`image;patient;mass`",
                "save the table with commas",
            ],
        ),
        (
            "picture,mass\np0_0,1\n",
            &[
                "`image`",
                "`picture`, `mass`",
                "that the delimiter is a comma",
            ],
        ),
        (
            "image,patient\np0_0,p0\n",
            &["FINDING (0/1)", "`image`, `patient`"],
        ),
        (
            "image,mass,mass\np0_0,1,1\n",
            &["column `mass` occurs twice"],
        ),
        (
            "image,mass,Mass\np0_0,1,1\n",
            &["class `Mass` occurs twice"],
        ),
        ("image,a/b\np0_0,1\n", &["class `a/b` cannot name a folder"]),
        (
            "image,mass\np0_0,1\np5_0,\n",
            &[
                "`mass`: expected 0 or 1, found a blank in line 3; label the images, or leave their rows out",
            ],
        ),
        ("image,mass\np0_0,NaN\np5_0,0\n", &["line 2", "`NaN`"]),
        ("image,mass\np0_0,-1\np5_0,0\n", &["line 2", "`-1`"]),
        (
            "image,mass\np0_0,1,1\np5_0,0\n",
            &["line 2", "3 cells, but the header has 2"],
        ),
        (
            "image,mass\np0_0.png,1\np5_0,0\np0_0,0\n",
            &["lines 2 and 4", "`p0_0` occurs twice"],
        ),
        (
            "image,mass\np0_0,1\n..,0\n",
            &["1 id that cannot name a file (it begins with a dot): `..` (line 3); rename"],
        ),
        (
            "image,mass\nimages\\p0_0.png,1\np5_0,0\n",
            &[r"`images\p0_0` (line 2); write the name of each file alone, without its folder"],
        ),
        (
            "image,mass,notes\np0_0,1,-\np5_0,0,\"no fluid\np1_0,1,-\np6_0,0,-\n",
            &[
                "line 3",
                "a quotation mark is not closed: the 2 lines behind",
            ],
        ),
        (
            "image,mass,patient\np0_0,1,\"p0\np5_0,0,p5\np1_0,1,\"p1\n",
            &["line 2", "the patient's name goes over several lines"],
        ),
        (
            "image,mass\np0_0,1\np5_0,0\nNaN\n",
            &["line 4", "1 cells, but the header has 2"],
        ),
        (
            "image,mass\rp0_0,1\rp5_0,none\r",
            &["found `none` in line 3"],
        ),
        (
            "image,mass\np0_0,yes\np1_0,True\np5_0,no\np6_0,no\n",
            &[
                "found `yes` in line 2, `True` in line 3, 2 times `no`, first in line 4; write 1 and 0",
            ],
        ),
        (
            "image,patient_id,mass\np0_0,77,1\np5_0,78,0\n",
            &[
                "`patient_id`: expected 0 or 1, found other values, first in line 2; if it says whose",
            ],
        ),
        (
            "image,mass\ngone.png,1\np5_0,0\n",
            &[
                "no image below",
                "images for 1 row: `gone.png` (line 2); they are left out; add the images",
            ],
        ),
        (
            "image,mass\n../images/p0_0.png,1\np5_0,0\n",
            &[
                "images for 1 row: `../images/p0_0.png` (line 2; `p0_0.png` is there); they are left out; name each",
            ],
        ),
        ("image,mass\n", &["the set has no cases"]),
        (
            "image,mass\np5_0,0\np6_0,0\np7_0,0\n",
            &["0 positives of `mass` among"],
        ),
        (
            "image,mass\np0_0,1\np1_0,1\np2_0,1\n",
            &["0 negatives of `mass` among"],
        ),
        (
            "image,split,mass\np0_0,train,1\np5_0,train,0\n",
            &["the split `val` has no cases (2 in all)"],
        ),
        (
            "image,split,mass\np0_0,val,1\np5_0,val,0\n",
            &["the split `train` has no cases"],
        ),
        (
            "image,mass,node\np5_0,0,0\np6_0,0,0\np7_0,0,0\n",
            &["no class is present in any of"],
        ),
        (
            "image,mass,node\np5_0,1,0\np6_0,1,0\np7_0,1,0\n",
            &["0 negatives of `mass`, 0 positives of `node` among 2 training cases"],
        ),
    ] {
        let error = set.refusal(csv);
        for part in parts {
            assert!(error.contains(part), "{csv:?}: {error}");
        }
    }
}

#[test]
fn all_faults_are_counted_and_the_first_is_told() {
    let (set, _) = Set::table();
    let error = set.refusal("image,mass\n..,1\np0_0,2\np5_0,x\ngone,1\n");
    assert!(
        error.contains("line 2") && error.contains("and 2 more; `weakseg data verify`"),
        "{error}"
    );
}

#[test]
fn shares_and_files_that_make_no_sense_are_refused() {
    let (set, config) = Set::table();
    let refusal = |change: fn(&mut TableConfig)| {
        let mut config = config.clone();
        change(&mut config);
        DataConfig::Table(config)
            .open_cases(set.root())
            .unwrap_err()
            .to_string()
    };
    assert!(refusal(|c| c.val_fraction = 0.0).contains("data.val_fraction = 0"));
    assert!(refusal(|c| c.val_fraction = f64::NAN).contains("data.val_fraction"));
    assert!(refusal(|c| c.test_fraction = 0.9).contains("data.test_fraction = 0.9"));
    assert!(refusal(|c| c.root = "gone".into()).contains("data.root = gone: expected a folder"));
    assert!(
        refusal(|c| c.csv = "other.csv".into()).contains("data.csv = other.csv: expected a file")
    );
    assert!(
        refusal(|c| c.images = "gone".into()).contains("data.images = gone: expected a folder")
    );
    std::fs::write(set.at("labels.csv"), b"image,mass\n\xff\xfe,1\n").unwrap();
    assert!(refusal(|_| ()).contains("UTF-8"));
}

#[test]
fn whoever_has_no_patient_is_told() {
    let (set, config) = Set::table();
    let told = |table: &str| {
        set.text("labels.csv", table);
        let findings = Some(vec!["mass".into()]);
        let config = TableConfig {
            findings,
            ..config.clone()
        };
        let warnings = open(&set, &config).warnings.into_iter();
        warnings
            .filter(|told| told.contains("no patient is named"))
            .collect::<String>()
    };
    let none = told("image,mass\np0_0,1\np1_0,1\np5_0,0\np6_0,0\n");
    assert!(
        none.contains("for 4 of 4 cases: each is taken as a patient of its own"),
        "{none}"
    );
    assert!(
        none.contains("name the patients in a column `patient`"),
        "{none}"
    );
    let alike = told("image,Patient ID,mass\np0_0,a,1\np1_0,a,1\np5_0,b,0\np6_0,b,0\n");
    assert!(alike.contains("is it one of `Patient ID`?"), "{alike}");
    let some = told("image,patient,mass\np0_0,a,1\np1_0,,1\np5_0,c,0\np6_0,d,0\n");
    assert!(some.contains("for 1 of 4 cases"), "{some}");
    // All are known, or nothing is divided.
    for table in [
        "image,patient,mass\np0_0,a,1\np1_0,b,1\np5_0,c,0\np6_0,d,0\n",
        "image,split,mass\np0_0,train,1\np1_0,val,1\np5_0,train,0\np6_0,val,0\n",
    ] {
        assert_eq!(told(table), "");
    }
}

#[test]
fn rows_of_blanks_are_no_rows() {
    let (set, config) = Set::table();
    let plain = open(&set, &config);
    let text = std::fs::read_to_string(set.at("labels.csv")).unwrap();
    set.text("labels.csv", &format!("{text},,\n , ,\n"));
    let cases = open(&set, &config);
    assert_eq!(cases.cases, plain.cases);
    let [told] = &cases.warnings[..] else {
        panic!("{:?}", cases.warnings);
    };
    assert!(
        told.contains("2 rows of blank cells, the first in line 22"),
        "{told}"
    );
}

#[test]
fn settings_are_read_by_kind_and_strictly() {
    let read = |text: &str| toml::from_str::<DataConfig>(text);
    let table = read("kind = \"table\"\nroot = \"x\"\nval_fraction = 0.3\n").unwrap();
    let expected = TableConfig {
        root: "x".into(),
        val_fraction: 0.3,
        ..TableConfig::default()
    };
    assert_eq!(table, DataConfig::Table(expected));
    assert!(
        matches!(read("kind = \"phantom\"\ncount = 12\n"), Ok(DataConfig::Phantom(set)) if set.count == 12)
    );
    assert!(
        matches!(read("kind = \"voc\"\n"), Ok(DataConfig::Voc(set)) if set.classes.len() == 20)
    );
    let error = read("kind = \"table\"\nroots = \"x\"\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("roots") && error.contains("`root`"),
        "{error}"
    );
    let error = read("kind = \"tables\"\n").unwrap_err().to_string();
    assert!(
        error.contains("tables") && error.contains("phantom"),
        "{error}"
    );
    for config in [
        table,
        DataConfig::Phantom(Default::default()),
        DataConfig::Voc(Default::default()),
    ] {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config, "{text}");
    }
}

#[test]
fn lines_are_counted_alike_whatever_ends_them() {
    let (set, config) = Set::table();
    let text = std::fs::read_to_string(set.at("labels.csv")).unwrap();
    for ending in ["\n", "\r\n"] {
        let broken = text.replace("p3_0.png,p3,1", "p3_0.png,p3,2");
        set.text("labels.csv", &broken.replace('\n', ending));
        let error = DataConfig::Table(config.clone()).open_cases(set.root());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("found `2` in line 8;"), "{error}");
    }
}

/// As a document in one line has them that is no table. Each compared with all others, they would take minutes.
#[test]
fn very_many_columns_are_looked_at_once() {
    let (set, _) = Set::table();
    let names: Vec<String> = (0..100_000).map(|at| format!("c{at}")).collect();
    let error = set.refusal(&format!("image,{}\n", names.join(",")));
    assert!(error.contains("the set has no cases"), "{error}");
    let error = set.refusal(&format!("image,{},c7\n", names.join(",")));
    assert!(error.contains("the column `c7` occurs twice"), "{error}");
    let error = set.refusal(&format!("{}\n", names.join(",")));
    assert!(error.contains("`c39` and 99960 more; "), "{error}");
}
