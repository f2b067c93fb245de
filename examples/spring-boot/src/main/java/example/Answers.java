package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import jakarta.annotation.PreDestroy;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.springframework.core.io.ClassPathResource;
import org.springframework.core.io.Resource;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.servlet.mvc.method.annotation.ResponseBodyEmitter;
import org.springframework.web.servlet.mvc.method.annotation.SseEmitter;

@RestController
class Answers {
  private static final long PACE_MS = 60;
  private static final String[] WORDS =
      "Each of these words leaves Spring the moment it is sent, and reaches you before the next one is.".split(" ");

  private static final MediaType PLAIN_TEXT = new MediaType("text", "plain", UTF_8);

  /** Lambda has a timeout already. */
  private static final long NO_TIMEOUT = 0;

  private final ExecutorService emitting = Executors.newCachedThreadPool();

  @GetMapping(path = "/", produces = "text/plain;charset=UTF-8")
  String index() {
    return "Spring Boot is up. Try /stream, /sse, /echo and /file.\n";
  }

  // Not a StreamingResponseBody: Spring does not let its flushes through, so it is one piece after all.
  @GetMapping(path = "/stream")
  ResponseEntity<ResponseBodyEmitter> stream() {
    ResponseBodyEmitter emitter = new ResponseBodyEmitter(NO_TIMEOUT);
    emit(emitter, word -> emitter.send(word + "\n", PLAIN_TEXT), () -> {});
    return ResponseEntity.ok().contentType(PLAIN_TEXT).body(emitter);
  }

  @GetMapping("/sse")
  SseEmitter sse() {
    SseEmitter emitter = new SseEmitter(NO_TIMEOUT);
    emit(emitter, emitter::send, () -> emitter.send(SseEmitter.event().name("done").data("complete")));
    return emitter;
  }

  /** Sends one word after another, from a thread of its own. */
  private void emit(ResponseBodyEmitter emitter, Sending send, Last last) {
    emitting.execute(
        () -> {
          try {
            for (String word : WORDS) {
              Thread.sleep(PACE_MS);
              send.accept(word);
            }
            last.run();
            emitter.complete();
          } catch (IOException | IllegalStateException | InterruptedException goneOrStopping) {
            emitter.completeWithError(goneOrStopping);
          }
        });
  }

  private interface Sending {
    void accept(String word) throws IOException;
  }

  private interface Last {
    void run() throws IOException;
  }

  @PostMapping("/echo")
  ResponseEntity<byte[]> echo(
      @RequestBody byte[] body,
      @RequestHeader(name = "Content-Type", defaultValue = "application/octet-stream") MediaType type) {
    return ResponseEntity.ok().contentType(type).body(body);
  }

  @GetMapping(path = "/file", produces = MediaType.IMAGE_PNG_VALUE)
  Resource file() {
    return new ClassPathResource("static/logo.png");
  }

  @PreDestroy
  void stop() {
    emitting.shutdownNow();
  }
}
