(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (import "wasi:io/error@0.2.3" (instance $error
    (export "error" (type $error (sub resource)))
    (export "[method]error.to-debug-string" (func (param "self" (borrow $error)) (result string)))))

  ;; A resource, with a destructor.
  (component $Owner
    (core module $table
      (global $sum (mut i32) (i32.const 0))
      (func (export "dtor") (param i32) (global.set $sum (i32.add (global.get $sum) (local.get 0)))))
    (core instance $table (instantiate $table))
    (type $thing' (resource (rep i32) (dtor (core func $table "dtor"))))
    (core func $new (canon resource.new $thing'))
    (core module $make
      (import "thing" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "scale") (param f64 i32) (result f64) (f64.mul (local.get 0) (f64.convert_i32_u (local.get 1)))))
    (core instance $make (instantiate $make (with "thing" (instance (export "new" (func $new))))))
    (export $thing "thing" (type $thing'))
    (func (export "make") (param "n" u32) (result (own $thing)) (canon lift (core func $make "make")))
    (func (export "scale") (param "x" f64) (param "by" u32) (result f64) (canon lift (core func $make "scale"))))

  ;; Calls it, and the host.
  (component $User
    (import "now" (func $now (result u64)))
    (import "error" (type $error (sub resource)))
    (import "to-string" (func $to-string (param "self" (borrow $error)) (result string)))
    (import "owner" (instance $owner
      (export "thing" (type $thing (sub resource)))
      (export "make" (func (param "n" u32) (result (own $thing))))
      (export "scale" (func (param "x" f64) (param "by" u32) (result f64)))))
    (alias export $owner "thing" (type $thing))
    (core module $libc
      (memory (export "memory") 1)
      (data (i32.const 64) "a text that is long enough to be taken out of the module, and a text that is long enough to be taken out")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (core func $now (canon lower (func $now)))
    (core func $to-string (canon lower (func $to-string) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $make (canon lower (func $owner "make")))
    (core func $scale (canon lower (func $owner "scale")))
    (core func $drop (canon resource.drop $thing))
    (core module $main
      (import "libc" "memory" (memory 1))
      (import "host" "now" (func $now (result i64)))
      (import "host" "to-string" (func $to-string (param i32 i32)))
      (import "owner" "make" (func $make (param i32) (result i32)))
      (import "owner" "scale" (func $scale (param f64 i32) (result f64)))
      (import "owner" "drop" (func $drop (param i32)))
      (func (export "run") (param i32 i32 f32) (result i32)
        (call $drop (call $make (local.get 0)))
        (i32.store (i32.const 0) (i32.trunc_f64_u (call $scale (f64.promote_f32 (local.get 2)) (i32.wrap_i64 (call $now)))))
        (i32.const 0))
      (func (export "after") (param i32)))
    (core instance $main (instantiate $main
      (with "libc" (instance $libc))
      (with "host" (instance (export "now" (func $now)) (export "to-string" (func $to-string))))
      (with "owner" (instance (export "make" (func $make)) (export "scale" (func $scale)) (export "drop" (func $drop))))))
    (type $answer' (record (field "code" u8) (field "text" (option string))))
    (export $answer "answer" (type $answer'))
    (func (export "run") (param "s" string) (param "x" f32) (result $answer)
      (canon lift (core func $main "run") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))
        (post-return (core func $main "after")))))

  (instance $owner (instantiate $Owner))
  (alias export $error "error" (type $error-type))
  (instance $user (instantiate $User
    (with "now" (func $clock "now"))
    (with "error" (type $error-type))
    (with "to-string" (func $error "[method]error.to-debug-string"))
    (with "owner" (instance $owner))))
  (export "made:golden/user@1.0.0" (instance $user))
  (export "made:golden/owner@1.0.0" (instance $owner)))
