import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;

/** Reads lines "CHAIN ROOTS", two PEM files: whether a TLS client that trusts ROOTS takes CHAIN of a server; prints OK or refused. */
public class Trust {
  public static void main(String[] arguments) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      var files = line.split(" ");
      try {
        var chain = read(files[0]).toArray(X509Certificate[]::new);
        managerOf(read(files[1])).checkServerTrusted(chain, "ECDHE_ECDSA");
        System.out.println("OK");
      } catch (CertificateException error) {
        System.out.println("refused " + error.getMessage());
      }
    }
  }

  static List<X509Certificate> read(String file) throws Exception {
    try (var input = Files.newInputStream(Path.of(file))) {
      var all = CertificateFactory.getInstance("X.509").generateCertificates(input);
      return all.stream().map(X509Certificate.class::cast).toList();
    }
  }

  static X509TrustManager managerOf(List<X509Certificate> roots) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    for (var root : roots) store.setCertificateEntry(root.getSubjectX500Principal().getName(), root);
    var factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(store);
    return (X509TrustManager) factory.getTrustManagers()[0];
  }
}
