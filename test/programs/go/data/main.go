// Data computes: hashes, ciphers, signatures, JSON, regular expressions,
// compression, sorting, big numbers, floating point. Nothing here asks the
// kernel for more than memory; everything asks the processor for the truth.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"sort"
	"strings"
	"text/template"
)

var noise = func() []byte {
	b := make([]byte, 300000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}()

func main() {
	hashes()
	ciphers()
	encodings()
	text()
	numbers()
}

func hashes() {
	fmt.Printf("md5 %x\n", md5.Sum(noise))
	fmt.Printf("sha1 %x\n", sha1.Sum(noise))
	fmt.Printf("sha256 %x\n", sha256.Sum256(noise))
	fmt.Printf("sha512 %x\n", sha512.Sum512(noise))
	fmt.Printf("crc32 %08x %08x\n", crc32.ChecksumIEEE(noise), crc32.Checksum(noise, crc32.MakeTable(crc32.Castagnoli)))
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write(noise)
	fmt.Printf("hmac %x\n", mac.Sum(nil))
}

func ciphers() {
	block, err := aes.NewCipher(noise[:32])
	check(err)
	gcm, err := cipher.NewGCM(block)
	check(err)
	sealed := gcm.Seal(nil, noise[32:44], noise[:5000], []byte("extra"))
	fmt.Printf("aes-gcm %x\n", sha256.Sum256(sealed))
	opened, err := gcm.Open(nil, noise[32:44], sealed, []byte("extra"))
	fmt.Println("opened", bytes.Equal(opened, noise[:5000]), err)
	sealed[0] ^= 1
	_, err = gcm.Open(nil, noise[32:44], sealed, []byte("extra"))
	fmt.Println("forged", err)
	key := ed25519.NewKeyFromSeed(noise[100:132])
	signature := ed25519.Sign(key, noise)
	fmt.Printf("ed25519 %x %v\n", signature, ed25519.Verify(key.Public().(ed25519.PublicKey), noise, signature))
}

type record struct {
	Name   string            `json:"name"`
	Values []float64         `json:"values"`
	Tags   map[string]string `json:"tags,omitempty"`
	Next   *record           `json:"next,omitempty"`
}

func encodings() {
	r := &record{"first", []float64{1, 2.5, 1e100, -0.1}, map[string]string{"b": "2", "a": "1"}, &record{Name: "second\u00e9\n"}}
	encoded, err := json.Marshal(r)
	fmt.Println(string(encoded), err)
	var back record
	fmt.Println(json.Unmarshal(encoded, &back), back.Next.Name == r.Next.Name, back.Tags)
	fmt.Println(json.Unmarshal([]byte(`{"name": 5}`), &back))
	var buf bytes.Buffer
	check(gob.NewEncoder(&buf).Encode(r))
	back = record{}
	check(gob.NewDecoder(&buf).Decode(&back))
	fmt.Println("gob", back.Name, back.Values)
	fmt.Println(base64.StdEncoding.EncodeToString(noise[:30]))

	text := []byte(strings.Repeat("compress this, please. ", 2000))
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 9)
	check(err)
	_, err = w.Write(text)
	check(err)
	check(w.Close())
	unpacked, err := io.ReadAll(flate.NewReader(&packed))
	fmt.Println("flate", bytes.Equal(unpacked, text), err)
}

func text() {
	words := regexp.MustCompile(`(\w+)@(\w+)\.org`)
	fmt.Println(words.FindAllStringSubmatch("a@b.org, nobody, long@name.org", -1))
	fmt.Println(words.ReplaceAllString("mail a@b.org now", "$2 at $1"))
	t := template.Must(template.New("t").Parse("{{range $i, $v := .}}{{$i}}={{$v | printf \"%03d\"}} {{end}}\n"))
	var out strings.Builder
	check(t.Execute(&out, []int{5, 50, 500}))
	fmt.Print(out.String())
	counts := map[rune]int{}
	for _, c := range strings.Repeat("the quick brown fox", 100) {
		counts[c]++
	}
	keys := make([]string, 0, len(counts))
	for c, n := range counts {
		keys = append(keys, fmt.Sprintf("%c%d", c, n))
	}
	sort.Strings(keys)
	fmt.Println(keys)
}

func numbers() {
	f := big.NewInt(1)
	for i := int64(2); i <= 200; i++ {
		f.Mul(f, big.NewInt(i))
	}
	fmt.Printf("200! %x\n", sha256.Sum256(f.Bytes()))
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))
	fmt.Println("prime", p.ProbablyPrime(10), new(big.Int).Exp(big.NewInt(3), f, p).BitLen())
	ints := rand.New(rand.NewPCG(1, 2)).Perm(50000)
	sort.Ints(ints)
	fmt.Println("sorted", sort.IntsAreSorted(ints), ints[25000])
	sum := 0.0
	for i := 1; i < 100000; i++ {
		sum += math.Sin(float64(i)) / math.Sqrt(float64(i))
	}
	fmt.Println(sum, math.Float64bits(sum), math.FMA(0.1, 3, -0.3), math.Inf(1)-math.Inf(1))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
