"""The tables of a page of measured rings."""

from collections import defaultdict

from prism_photonics.report.laboratory import table


def test_a_number_ends_at_the_second_digit_of_its_error_and_what_is_not_told_is_a_limit_or_a_dash():
    row = defaultdict(lambda: None, wl_nm=1538.725152, wl_nm_std=0.00025953, q_loaded=63102.43, q_loaded_std=2452.7)
    row |= {"n_g": 2.32890319, "n_g_std": 0.0001216, "splitting_limit_pm": 6.9803}
    page = table([row])
    for said in ("1538.72515 ± 0.00026", "63102 ± 2453", "2.32890 ± 0.00012", "&lt; 7", "<td>–</td>"):
        assert said in page
    told = table([row | {"splitting_pm": 9.1273, "splitting_pm_std": 0.5412}])
    assert "9.13 ± 0.54" in told
    assert "&lt;" not in told
