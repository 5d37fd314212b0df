package nats

import "time"

// SetSlack makes the stream delete messages soon after their age.
func SetSlack(e *Engine, d time.Duration) { e.classes.slack = d }

// FollowAnew ends what follows the log, as a lost delivery does.
func FollowAnew(e *Engine) { e.reverify() }
