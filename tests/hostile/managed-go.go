// attack: none: a Go program at the least memory it is promised
// verdict: OK
// outside: nothing changes
// limits: memory=16M cpu=20s wall=60s
package main

func main() {
	parts := make(chan []byte)
	go func() {
		for i := 0; i < 64; i++ {
			parts <- make([]byte, 1<<20)
		}
		close(parts)
	}()
	sum := 0
	for part := range parts {
		sum += len(part)
	}
	if sum != 64<<20 {
		panic(sum)
	}
}
