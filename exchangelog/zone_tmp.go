package exchangelog

import "time"

var tallinn, _ = time.LoadLocation("Europe/Tallinn")
